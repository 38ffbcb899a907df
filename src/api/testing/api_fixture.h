// For tests: a whole node, over TCP and over its Unix socket. There are no phones: jobs on unknown instances
// end at once, and those on instances that nothing listens for stay queued.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "adb/key.h"
#include "api/api.h"
#include "base/loop_call.h"
#include "http/server.h"
#include "http/testing/client.h"
#include "store/sqlite/store_fixture.h"

namespace drover::api {

// True as soon as `condition` is, false if it is not within ten seconds.
template <typename Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + Seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

class ApiTest : public testing::Test {
 protected:
  explicit ApiTest(ApiOptions options = {}, task::EngineOptions engine_options = {}) {
    store_ = store::open_sqlite({dir_.file("drover.db")}, registry_).value();
    identity_ = identity::Identity::load(clock_, *store_).value();
    for (const char* name : {"default", "other"}) make_project(name, false);
    make_project("narrow", true);
    admin_ = make_token("default", store::Role::kAdmin);
    reader_ = make_token("default", store::Role::kReadOnly);
    other_ = make_token("other", store::Role::kAdmin);
    narrow_ = make_token("narrow", store::Role::kAdmin);

    const auto keys = std::make_shared<const adb::KeyRing>(std::vector<std::unique_ptr<adb::Key>>());
    on_loop([&] {
      fleet_ = std::make_unique<fleet::Fleet>(loop_.loop(), *store_, keys, registry_);
      engine_ = task::make_engine(loop_.loop(), *fleet_, *store_, engine_options, registry_);
      engine_->recover(store_->recover().value());
      fleet_->start({});
    });
    options.ready = [this]() -> Result<> {
      if (ready_) return {};
      return failure(task::Errc::kDraining);
    };
    api_ =
        std::make_unique<Api>(clock_, *engine_, *fleet_, *identity_, *store_, registry_, std::move(options));
    api_->add_routes(router_);
    http::ServerOptions server;
    server.port = 0;
    server.unix_socket = dir_.file("socket");
    server.access_log = false;
    server_ = http::Server::start(clock_, server, router_, registry_).value();
  }

  ~ApiTest() override { stop(); }

  void stop() {
    if (std::exchange(stopped_, true)) return;
    api_->stop_waiting();
    server_->stop(Millis(5000));
    on_loop([&] {
      engine_->stop();
      fleet_->stop();
    });
    store_->close();
    loop_.join();
  }

  void on_loop(const std::function<void()>& fn) { call_on(loop_.loop(), fn); }

  void make_project(const std::string& name, bool koophone_commands_only) {
    store::wait_for<Result<store::Project>>([&](auto done) {
      identity_->create_project(name, koophone_commands_only, done);
    }).value();
  }
  std::string make_token(const std::string& project, store::Role role) {
    return store::wait_for<Result<identity::NewToken>>(
               [&](auto done) { identity_->create_token(project, role, Seconds(3600), done); })
        .value()
        .secret;
  }

  // The bytes of a request. `token`: empty for none.
  static std::string request(const std::string& method, const std::string& target, const std::string& token,
                             const std::string& body = {}, const std::string& headers = {}) {
    std::string bytes = method + " " + target + " HTTP/1.1\r\nHost: drover\r\n" + headers;
    if (!token.empty()) bytes += "X-Auth-Token: " + token + "\r\n";
    if (!body.empty()) bytes += "Content-Type: application/json\r\n";
    if (!body.empty() || method != "GET") bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return bytes + "\r\n" + body;
  }
  http::Client connect() { return http::Client::tcp(server_->port()); }
  http::Answer ask(const std::string& method, const std::string& target, const std::string& token,
                   const std::string& body = {}, const std::string& headers = {}) {
    return connect().ask(request(method, target, token, body, headers));
  }
  http::Answer get(const std::string& target) { return ask("GET", target, admin_); }
  http::Answer post(const std::string& target, const std::string& body) {
    return ask("POST", target, admin_, body);
  }
  http::Answer ask_local(const std::string& method, const std::string& target, const std::string& body = {},
                         const std::string& headers = {}) {
    return http::Client::local(dir_.file("socket")).ask(request(method, target, {}, body, headers));
  }

  // What an answer must be that refuses; gives back the message.
  static std::string refused(const http::Answer& answer, unsigned status, const std::string& code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    boost::system::error_code broken;
    const boost::json::value body = boost::json::parse(answer.body, broken);
    const boost::json::object* object = body.if_object();
    if (broken || object == nullptr || object->size() != 2 || !object->contains("error_code") ||
        !object->at("error_code").is_string() || !object->contains("error_msg") ||
        !object->at("error_msg").is_string()) {
      ADD_FAILURE() << "not the body of an error: " << answer.body;
      return {};
    }
    EXPECT_EQ(object->at("error_code").as_string(), code) << answer.body;
    EXPECT_FALSE(object->at("error_msg").as_string().empty());
    return std::string(object->at("error_msg").as_string());
  }
  // The body of an answer that went well.
  static boost::json::value body_of(const http::Answer& answer) {
    EXPECT_EQ(answer.status, 200u) << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    return boost::json::parse(answer.body);
  }

  // An instance that is not reached: jobs on it stay queued.
  void add_unreachable(const std::string& id) {
    const auto answer = post("/api/v1/instances", R"({"instances":[{"instance_id":")" + id +
                                                      R"(","address":"adb://127.0.0.1:1"}]})");
    ASSERT_EQ(answer.status, 200u) << answer.body;
  }
  // Accepts a task through KooPhone's API; gives its id.
  std::string accept(const std::string& instance_ids_json) {
    const auto answer =
        post("/v1/instances/async-command", R"({"command":"id","instance_ids":)" + instance_ids_json + "}");
    return std::string(body_of(answer).at("data").at("task_id").as_string());
  }

  std::string admin_;
  std::string reader_;
  std::string other_;   // admin of another project
  std::string narrow_;  // admin of a project with KooPhone's characters only
  std::atomic<bool> ready_{true};

  // In this order: requests that the loops' last handlers hold belong to the server.
  const Clock clock_;
  store::TempDir dir_;
  prometheus::Registry registry_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<store::Store> store_;
  LoopThread loop_{clock_, "engine"};
  std::unique_ptr<identity::Identity> identity_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<task::Engine> engine_;
  std::unique_ptr<Api> api_;
  bool stopped_ = false;
};

}  // namespace drover::api
