// The audit log: that it has what happened, before anybody is told, and nothing that is secret.
#include "api/audit.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <sstream>

#include "api/testing/api_fixture.h"
#include "api/testing/signer.h"

namespace drover::api {
namespace {

using store::AuditEntry;

class AuditTest : public ApiTest {
 protected:
  explicit AuditTest(bool access_log = false) : ApiTest({.sync_wait = Millis(1)}, {}, access_log) {
    add_unreachable("p1");
  }

  // The entries that were made since the last call, or since the test began.
  std::vector<AuditEntry> entries() {
    std::vector<AuditEntry> all = audit_entries();
    std::erase_if(all, [this](const AuditEntry& entry) { return entry.seq <= seen_; });
    if (!all.empty()) seen_ = all.back().seq;
    return all;
  }
  AuditEntry only_entry() {
    const std::vector<AuditEntry> all = entries();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? AuditEntry() : all.front();
  }

  std::int64_t seen_ = 0;
};

constexpr const char* kCommand = R"({"command":"id","instance_ids":["p1","p2","p1"]})";

TEST_F(AuditTest, AcceptedTaskHasOneEntry) {
  entries();
  for (const std::string target :
       {"/v1/instances/async-command", "/v1/instances/sync-command", "/api/v1/tasks"}) {
    const auto answer = ask("POST", target, admin_, kCommand, "X-Request-Id: mine-1\r\n");
    ASSERT_EQ(answer.status, 200u) << answer.body;
    const AuditEntry entry = only_entry();
    EXPECT_EQ(entry.actor, std::string(body_of(get("/api/v1/me")).at("actor").as_string()));
    EXPECT_EQ(entry.address, "127.0.0.1");
    EXPECT_EQ(entry.request_id, "mine-1");
    EXPECT_EQ(entry.project, identity_->project("default")->seq);
    EXPECT_EQ(entry.action, target == "/v1/instances/sync-command"
                                ? "koophone:cloudphoneResource:syncInvokeInstance"
                                : "koophone:cloudphoneResource:asyncInvokeInstance");
    EXPECT_EQ(entry.instances, (std::vector<std::string>{"p1", "p2", "p1"}));
    EXPECT_EQ(entry.status, 200u);
    EXPECT_EQ(entry.message, "");
    EXPECT_GT(entry.at_ms, 0);
    const auto listed = body_of(get("/api/v1/tasks?limit=1"));
    EXPECT_EQ(entry.subject, std::string(listed.at("tasks").at(0).at("task_id").as_string()));
  }
}

TEST_F(AuditTest, ChangesAndRefusalsAreEntered) {
  entries();
  const std::string task = accept(R"(["p1"])");
  entries();
  const auto check = [&](const http::Answer& answer, const std::string& action, const std::string& subject,
                         unsigned status) {
    EXPECT_EQ(answer.status, status) << answer.body;
    const AuditEntry entry = only_entry();
    EXPECT_EQ(entry.action, action);
    EXPECT_EQ(entry.subject, subject);
    EXPECT_EQ(entry.status, status);
    EXPECT_EQ(entry.message.empty(), status == 200) << entry.message;
  };
  check(ask("POST", "/api/v1/tasks/" + task + "/cancel", admin_), "drover:task:cancel", task, 200);
  check(post("/v1/instances/async-command", "{}"), "koophone:cloudphoneResource:asyncInvokeInstance", "",
        400);
  check(ask("POST", "/v1/instances/async-command", reader_, kCommand),
        "koophone:cloudphoneResource:asyncInvokeInstance", "", 403);
  check(ask("GET", "/api/v1/users", admin_), "drover:user:list", "", 403);
  check(ask("GET", "/api/v1/instances", "wrong"), "koophone:cloudphoneResource:queryInstanceBatch", "", 401);
  check(ask_local("POST", "/api/v1/users", R"({"name":"alice"})"), "drover:user:create", "alice", 200);
  check(ask_local("POST", "/api/v1/users", R"({"name":"alice"})"), "drover:user:create", "alice", 400);
  check(ask_local("POST", "/api/v1/users/alice/grants", R"({"project":null,"role":"admin"})"),
        "drover:grant:add", "alice: KooPhone Administrator in all projects", 200);
  check(ask_local("DELETE", "/api/v1/users/alice"), "drover:user:remove", "alice", 200);
  check(ask_local("PUT", "/api/v1/policies/blue", R"({"Statement":[{"Effect":"Allow","Action":["*"]}]})"),
        "drover:policy:put", "blue", 200);
  check(ask_local("DELETE", "/api/v1/tokens/tok_none"), "drover:token:revoke", "tok_none", 404);
  check(ask("DELETE", "/api/v1/instances/p1", admin_), "drover:instance:remove", "p1", 200);
  check(ask("DELETE", "/api/v1/instances/p1", admin_), "drover:instance:remove", "p1", 404);

  add_unreachable("p7");
  const AuditEntry put = only_entry();
  EXPECT_EQ(put.action, "drover:instance:put");
  EXPECT_EQ(put.instances, std::vector<std::string>{"p7"});
}

TEST_F(AuditTest, QueriesAreNot) {
  const std::string task = accept(R"(["p1"])");
  entries();
  for (const std::string& target :
       {"/v1/instances/tasks/" + task, std::string("/api/v1/instances"), std::string("/api/v1/tasks"),
        std::string("/api/v1/me"), std::string("/api/v1/audit"), std::string("/healthz"),
        "/api/v1/tasks/" + task, std::string("/api/v1/tasks/none"), std::string("/nothing/here")}) {
    ask("GET", target, admin_);
  }
  post("/v1/instances/batch-query-status", R"({"instance_ids":["p1"]})");
  ask_local("GET", "/api/v1/users");
  EXPECT_TRUE(entries().empty());
}

TEST_F(AuditTest, OfTheNodesOwnThingsAProjectSeesNothing) {
  make_user("root", {{"", std::string(identity::kAdministrator)}});
  const std::string root = log_in("root", "default");
  entries();
  body_of(ask("POST", "/api/v1/users", root, R"({"name":"alice"})"));
  EXPECT_EQ(only_entry().project, 0);
  accept(R"(["p1"])");
  const auto seen = body_of(get("/api/v1/audit?limit=1000"));
  for (const auto& entry : seen.at("entries").as_array())
    EXPECT_EQ(entry.at("project").as_string(), "default");
  EXPECT_EQ(seen.at("entries").as_array().back().at("action").as_string(),
            "koophone:cloudphoneResource:asyncInvokeInstance");
  EXPECT_TRUE(body_of(ask("GET", "/api/v1/audit", other_)).at("entries").as_array().empty());
  refused(get("/api/v1/audit?project=other"), 403, "KOOPHONE.API.1001");
  EXPECT_EQ(get("/api/v1/audit?project=default").status, 200u);
  refused(ask("GET", "/api/v1/audit", reader_), 403, "KOOPHONE.API.1001");
  // An administrator of the node sees all, or what he asks for.
  const std::string all = ask("GET", "/api/v1/audit?limit=1000", root).body;
  EXPECT_NE(all.find("drover:user:create"), std::string::npos);
  EXPECT_EQ(ask("GET", "/api/v1/audit?project=default&limit=1000", root).body.find("drover:user:create"),
            std::string::npos);
}

TEST_F(AuditTest, IsReadInPages) {
  for (int i = 0; i < 5; ++i) accept(R"(["p1"])");
  std::vector<std::int64_t> seqs;
  std::string after = "0";
  while (true) {
    const auto page = body_of(ask_local("GET", "/api/v1/audit?limit=2&after=" + after));
    for (const auto& entry : page.at("entries").as_array()) seqs.push_back(entry.at("seq").as_int64());
    if (page.at("next").is_null()) break;
    EXPECT_EQ(page.at("next").as_int64(), seqs.back());
    after = std::to_string(page.at("next").as_int64());
  }
  EXPECT_GE(seqs.size(), 6u);
  EXPECT_TRUE(std::ranges::is_sorted(seqs));
  const std::string long_ago = "?until=2000-01-01T00:00:00Z";
  EXPECT_TRUE(body_of(ask_local("GET", "/api/v1/audit" + long_ago)).at("entries").as_array().empty());
  const std::string since = "?from=2000-01-01T00:00:00Z&until=2999-01-01T00:00:00Z&limit=1000";
  EXPECT_EQ(body_of(ask_local("GET", "/api/v1/audit" + since)).at("entries").as_array().size(), seqs.size());
  refused(ask_local("GET", "/api/v1/audit?from=yesterday"), 400, "KOOPHONE.API.1000");
  refused(ask_local("GET", "/api/v1/audit?limit=0"), 400, "KOOPHONE.API.1000");
  refused(ask_local("GET", "/api/v1/audit?project=none"), 404, "KOOPHONE.API.1000");
}

// The answer leaves when the entry is durable, and not before.
TEST_F(AuditTest, NobodyIsToldBeforeTheEntryIsStored) {
  store_->hold();
  http::Client client = http::Client::local(dir_.file("socket"));
  ASSERT_TRUE(client.send(request("POST", "/api/v1/users", {}, R"({"name":"alice"})")));
  ASSERT_TRUE(eventually([&] { return store_->held() == 1; }));
  for (int i = 0; i < 50; ++i) {  // time enough for an answer that does not wait
    EXPECT_EQ(get("/healthz").status, 200u);
    ASSERT_FALSE(client.readable());
  }
  store_->release();
  EXPECT_EQ(client.read().status, 200u);
}

TEST_F(AuditTest, WhoGoesAwayIsEnteredAllTheSame) {
  store_->hold();
  http::Client client = http::Client::local(dir_.file("socket"));
  ASSERT_TRUE(client.send(request("POST", "/api/v1/users", {}, R"({"name":"alice"})")));
  ASSERT_TRUE(eventually([&] { return store_->held() == 1; }));
  client.close();
  EXPECT_EQ(get("/healthz").status, 200u);
  store_->release();
  ASSERT_TRUE(eventually([&] {
    const std::vector<AuditEntry> all = entries();
    return !all.empty() && all.back().action == "drover:user:create";
  }));
}

TEST_F(AuditTest, WhatCannotBeEnteredIsNotAnsweredWell) {
  store_->fail();
  const auto answer = ask_local("POST", "/api/v1/tokens", R"({"project":"default","role":"admin"})");
  refused(answer, 503, "KOOPHONE.API.9999");
  EXPECT_TRUE(answer.header("Retry-After"));
  EXPECT_EQ(answer.body.find("drv_"), std::string::npos);
  refused(ask("GET", "/api/v1/users", admin_), 503, "KOOPHONE.API.9999");
  EXPECT_EQ(get("/api/v1/instances").status, 200u);
  EXPECT_EQ(post("/v1/instances/async-command", kCommand).status, 200u) << "stored with the task";
}

TEST_F(AuditTest, StrangersFillItSlowly) {
  entries();
  clock_.stop();  // all of it is within one second
  http::Client client = connect();
  for (int i = 0; i < 200; ++i) refused(client.ask(request("GET", "/api/v1/me", "wrong")), 401, "APIGW.0301");
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(client.ask(request("POST", "/v3/auth/tokens", {}, R"({"auth":{}})")).status, 400u);
  clock_.go();
  std::uint64_t entered = 0;
  std::uint64_t counted = 0;
  ASSERT_TRUE(eventually([&] {
    for (const AuditEntry& entry : entries()) {
      if (entry.action == "drover:audit:omitted") {
        counted += std::stoull(entry.message);
      } else {
        EXPECT_EQ(entry.actor, "");
        ++entered;
      }
    }
    return entered + counted == 300;
  })) << entered
      << " entered, " << counted << " counted";
  EXPECT_EQ(entered, 10u);
  // Those who are known are not concerned.
  for (int i = 0; i < 50; ++i) client.ask(request("GET", "/api/v1/users", admin_));
  EXPECT_EQ(entries().size(), 50u);
}

// What is logged, from before there are threads until after.
class LogCapture {
 protected:
  LogCapture() {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
    spdlog::set_level(spdlog::level::trace);
  }
  ~LogCapture() {
    spdlog::set_default_logger(before_);
    spdlog::set_level(spdlog::level::info);
  }

  std::ostringstream log_;  // read it when the threads have ended

 private:
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

class SecretsTest : protected LogCapture, public AuditTest {
 protected:
  SecretsTest() : AuditTest(true) {}
};

// Whatever was said to the server in confidence stands in no entry and in no line of the log.
TEST_F(SecretsTest, AreNowhere) {
  std::vector<std::string> secrets = {
      "first-password",    "other-password", "wrong-password", "sekret-key-of-alice",
      "echo-of-a-command", admin_,           reader_};
  const auto made = body_of(ask_local(
      "POST", "/api/v1/users",
      R"({"name":"alice","password":"first-password","grants":[{"project":"default","role":"admin"}]})"));
  ask_local("POST", "/api/v1/users", R"({"name":"alice","password":"first-password"})");
  ask_local("PUT", "/api/v1/users/alice", R"({"password":"other-password"})");
  secrets.emplace_back(body_of(ask_local("PUT", "/api/v1/users/alice", R"({"generate_password":true})"))
                           .at("password")
                           .as_string());
  ask_local("PUT", "/api/v1/users/alice", R"({"password":"first-password","enabled":"wrong-password"})");
  ask_local("POST", "/api/v1/keys",
            R"({"user":"alice","access_key":"AK","secret_key":"sekret-key-of-alice"})");
  secrets.emplace_back(body_of(ask_local("POST", "/api/v1/tokens", R"({"project":"default","role":"admin"})"))
                           .at("token")
                           .as_string());
  ask_local("PUT", "/api/v1/users/alice", R"({"password":"first-password"})");
  const std::string session =
      store::wait_for<Result<identity::NewSession>>([&](auto done) {
        identity_->log_in({"alice", "first-password", "192.0.2.1", "default"},
                          [done](Result<identity::NewSession> got, Millis) { done(got); });
      })
          .value()
          .secret;
  secrets.push_back(session);
  ask("PUT", "/api/v1/me/password", session,
      R"({"old_password":"wrong-password","new_password":"other-password"})");
  ask("GET", "/api/v1/users", session);
  ask("GET", "/api/v1/users", "wrong-password");
  ask("GET", "/api/v1/me", {}, {},
      signature_headers("GET", "/api/v1/me", "", "AK", "sekret-key-of-alice", 1));
  post("/v1/instances/async-command", R"({"command":"echo-of-a-command","instance_ids":["p1"]})");
  post("/v1/instances/async-command", R"({"command":"echo-of-a-command","instance_ids":"p1"})");

  // Where an id or a name belongs, too.
  for (const std::string& secret : {reader_, session}) {
    ask_local("DELETE", "/api/v1/tokens/" + secret);
    ask_local("DELETE", "/api/v1/instances/" + secret);
    ask_local("PUT", "/api/v1/policies/" + secret, R"({"Statement":[]})");
    post(
        "/v3/auth/tokens",
        R"({"auth":{"identity":{"methods":["password"],"password":{"user":{"password":"wrong-password","name":")" +
            secret + R"("}}}}})");
  }

  const std::vector<AuditEntry> entered = audit_entries();
  EXPECT_GE(entered.size(), 22u);
  stop();
  server_.reset();
  std::string all = log_.str();
  EXPECT_NE(all.find("/api/v1/me/password"), std::string::npos) << "the log is there";
  for (const AuditEntry& entry : entered) {
    for (const std::string* text :
         {&entry.actor, &entry.address, &entry.request_id, &entry.action, &entry.subject, &entry.message})
      all += *text + "\n";
  }
  for (const std::string& secret : secrets) EXPECT_EQ(all.find(secret), std::string::npos) << secret;
  EXPECT_EQ(all.find(reader_.substr(0, 20)), std::string::npos) << "nor a good part of one";
}

}  // namespace
}  // namespace drover::api
