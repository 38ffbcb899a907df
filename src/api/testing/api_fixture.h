// For tests: a whole node, over TCP and over its Unix socket. There are no phones: jobs on unknown instances
// end at once, and those on instances that nothing listens for stay queued.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "adb/key.h"
#include "api/api.h"
#include "api/testing/held_audit.h"
#include "base/loop_call.h"
#include "base/testing/stoppable_clock.h"
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

// The wall clock can be turned, too.
class TurnedClock final : public StoppableClock {
 public:
  std::int64_t unix_ms() const override { return Clock::unix_ms() + turned_ms; }
  std::atomic<std::int64_t> turned_ms{0};
};

class ApiTest : public testing::Test {
 protected:
  explicit ApiTest(ApiOptions options = {}, task::EngineOptions engine_options = {},
                   bool access_log = false) {
    store_ = std::make_unique<HeldAudit>(store::open_sqlite({dir_.file("drover.db")}, registry_).value());
    const auto key = identity::MasterKey::load_or_make(dir_.file("masterkey")).value();
    identity_ = identity::Identity::load(clock_, *store_, key).value();
    for (const char* name : {"default", "other"}) make_project(name, false);
    make_project("narrow", true);
    admin_ = make_token("default", identity::kAdministrator);
    reader_ = make_token("default", identity::kReadOnlyUser);
    other_ = make_token("other", identity::kAdministrator);
    narrow_ = make_token("narrow", identity::kAdministrator);

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
    server.access_log = access_log;
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
      identity_->create_project(name, "", koophone_commands_only, done);
    }).value();
  }
  std::string make_token(const std::string& project, std::string_view policy,
                         Seconds lifetime = Seconds(3600)) {
    return store::wait_for<Result<identity::NewToken>>(
               [&](auto done) { identity_->create_token(project, std::string(policy), lifetime, done); })
        .value()
        .secret;
  }

  // With password kPassword; `grants`: projects (empty: all) and policies.
  void make_user(const std::string& name, std::vector<identity::GrantView> grants) {
    store::wait_for<Result<identity::UserView>>([&](auto done) {
      identity_->create_user({name, kPassword, std::move(grants)}, done);
    }).value();
  }
  identity::NewKey make_key(const std::string& user) {
    return store::wait_for<Result<identity::NewKey>>(
               [&](auto done) { identity_->create_key(user, "", "", done); })
        .value();
  }
  // A session of that user; `project` empty: unscoped.
  std::string log_in(const std::string& user, const std::string& project) {
    identity::Login login{user, kPassword, "192.0.2.1", project, project.empty()};
    return store::wait_for<Result<identity::NewSession>>([&](auto done) {
             identity_->log_in(login,
                               [done](Result<identity::NewSession> made, Millis) { done(std::move(made)); });
           })
        .value()
        .secret;
  }
  void put_policy(const std::string& name, const std::string& text) {
    const auto put = store::wait_for<Result<>>([&](auto done) { identity_->put_policy(name, text, done); });
    ASSERT_TRUE(put) << put.error().message;
  }
  // All entries of the audit log.
  std::vector<store::AuditEntry> audit_entries() {
    std::vector<store::AuditEntry> all;
    while (true) {
      store::AuditQuery query;
      query.after = all.empty() ? 0 : all.back().seq;
      auto more = store::wait_for<Result<std::vector<store::AuditEntry>>>([&](auto done) {
                    store_->read_audit(query, done);
                  }).value();
      if (more.empty()) return all;
      std::move(more.begin(), more.end(), std::back_inserter(all));
    }
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

  static constexpr const char* kPassword = "correct horse battery";

  std::string admin_;
  std::string reader_;
  std::string other_;   // admin of another project
  std::string narrow_;  // admin of a project with KooPhone's characters only
  std::atomic<bool> ready_{true};

  // In this order: requests that the loops' last handlers hold belong to the server.
  TurnedClock clock_;
  store::TempDir dir_;
  prometheus::Registry registry_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<HeldAudit> store_;
  LoopThread loop_{clock_, "engine"};
  std::unique_ptr<identity::Identity> identity_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<task::Engine> engine_;
  std::unique_ptr<Api> api_;
  bool stopped_ = false;
};

}  // namespace drover::api
