// Who asks: what counts when several things say so, and what is told to whom.
#include "api/auth.h"

#include <gtest/gtest.h>

#include "api/testing/api_fixture.h"
#include "api/testing/signer.h"

namespace drover::api {
namespace {

constexpr const char* kMe = "/api/v1/me";

class AuthTest : public ApiTest {
 protected:
  AuthTest() {
    make_user("alice", {{"default", std::string(identity::kAdministrator)}});
    make_user("bob", {{"default", std::string(identity::kReadOnlyUser)},
                      {"other", std::string(identity::kReadOnlyUser)}});
    alice_ = make_key("alice");
    bob_ = make_key("bob");
  }

  std::string sign(const identity::NewKey& key, const std::string& target, const std::string& project = {},
                   const std::string& method = "GET", const std::string& body = {}) {
    return signature_headers(method, target, body, key.view.id, key.secret, clock_.unix_ms(), project);
  }
  boost::json::value me(const std::string& token, const std::string& headers = {}) {
    return body_of(ask("GET", kMe, token, {}, headers));
  }

  identity::NewKey alice_;
  identity::NewKey bob_;
};

TEST_F(AuthTest, SignatureCountsBeforeTheToken) {
  EXPECT_EQ(me(reader_, sign(alice_, kMe)).at("actor").as_string(),
            "key:" + alice_.view.id + " of user:alice");
  const std::string wrong = signature_headers("GET", kMe, "", alice_.view.id, "wrong", clock_.unix_ms());
  refused(ask("GET", kMe, admin_, {}, wrong), 401, "APIGW.0301");
  // Other schemes are not ours to judge.
  EXPECT_EQ(ask("GET", kMe, admin_, {}, "Authorization: Bearer x\r\n").status, 200u);
}

TEST_F(AuthTest, TokenCountsBeforeTheSocket) {
  EXPECT_EQ(body_of(ask_local("GET", kMe)).at("actor").as_string(), "local");
  EXPECT_EQ(body_of(ask_local("GET", kMe, {}, "X-Auth-Token: " + reader_ + "\r\n"))
                .at("node_administrator")
                .as_bool(),
            false);
  refused(ask_local("GET", kMe, {}, "X-Auth-Token: wrong\r\n"), 401, "APIGW.0301");
}

TEST_F(AuthTest, SignedForAProjectByNameOrId) {
  const std::string id = identity_->project("other")->id;
  for (const std::string& project : {std::string("other"), id})
    EXPECT_EQ(me("", sign(bob_, kMe, project)).at("project").as_string(), "other");
  EXPECT_EQ(me("", sign(alice_, kMe)).at("project").as_string(), "default") << "the only one";
  // Of two projects none follows by itself.
  EXPECT_TRUE(me("", sign(bob_, kMe)).at("project").is_null());
  const std::string list = "/api/v1/instances";
  EXPECT_NE(refused(ask("GET", list, "", {}, sign(bob_, list)), 403, "KOOPHONE.API.1001").find("no project"),
            std::string::npos);
}

TEST_F(AuthTest, WhetherAProjectIsThereIsNotTold) {
  const std::string list = "/api/v1/instances";
  const auto there = ask("GET", list, "", {}, sign(alice_, list, "other"));
  const auto nowhere = ask("GET", list, "", {}, sign(alice_, list, "nowhere"));
  refused(there, 403, "KOOPHONE.API.1001");
  EXPECT_EQ(nowhere.status, 403u);
  EXPECT_EQ(there.body, nowhere.body);
  // Who asked is known, and is to be found.
  const auto entries = audit_entries();
  ASSERT_GE(entries.size(), 2u);
  for (std::size_t at = entries.size() - 2; at < entries.size(); ++at) {
    EXPECT_EQ(entries[at].status, 403u);
    EXPECT_EQ(entries[at].actor, "key:" + alice_.view.id + " of user:alice");
  }
}

TEST_F(AuthTest, WhatIsWrongWithASignatureIsTold) {
  const std::string stale =
      signature_headers("GET", kMe, "", alice_.view.id, alice_.secret, clock_.unix_ms() - 3'600'000);
  const std::string message = refused(ask("GET", kMe, "", {}, stale), 401, "APIGW.0301");
  EXPECT_NE(message.find("X-Sdk-Date"), std::string::npos) << message;
  EXPECT_NE(message.find(format_utc(clock_.unix_ms()).substr(0, 13)), std::string::npos) << message;
  EXPECT_NE(refused(ask("GET", kMe, "", {}, "Authorization: SDK-HMAC-SHA256 Access=a\r\n"), 401, "APIGW.0301")
                .find("SignedHeaders"),
            std::string::npos);
  // A key that is not there and a wrong secret are told alike.
  const auto unknown =
      ask("GET", kMe, "", {}, signature_headers("GET", kMe, "", "NOBODY", "s", clock_.unix_ms()));
  const auto wrong =
      ask("GET", kMe, "", {}, signature_headers("GET", kMe, "", alice_.view.id, "s", clock_.unix_ms()));
  refused(unknown, 401, "APIGW.0301");
  EXPECT_EQ(unknown.body, wrong.body);
}

TEST_F(AuthTest, SignatureCoversBodyMethodAndTarget) {
  const std::string target = "/api/v1/tasks";
  const std::string body = R"({"command":"id","all":true})";
  const std::string headers = sign(alice_, target, {}, "POST", body);
  EXPECT_EQ(ask("POST", target, "", body, headers).status, 200u);
  refused(ask("POST", target, "", R"({"command":"rm","all":true})", headers), 401, "APIGW.0301");
  refused(ask("POST", target + "?x=1", "", body, headers), 401, "APIGW.0301");
  refused(ask("GET", target, "", body, headers), 401, "APIGW.0301");
  refused(ask("POST", "/v1/instances/async-command", "", body, headers), 401, "APIGW.0301");
}

// What the early look at a large request cannot see is seen when the body is here.
TEST_F(AuthTest, LargeSignedBody) {
  const std::string target = "/api/v1/tasks";
  std::string body = R"({"command":"id","instance_ids":["p0")";
  for (int i = 1; i < 10'000; ++i) body += ",\"p" + std::to_string(i) + "\"";
  body += "]}";
  const std::string headers = sign(alice_, target, {}, "POST", body);
  EXPECT_EQ(body_of(ask("POST", target, "", body, headers)).at("jobs").as_int64(), 10'000);
  body[20] = 'x';
  refused(ask("POST", target, "", body, headers), 401, "APIGW.0301");
  // A reader's is refused although it is signed well.
  refused(ask("POST", target, "", body, sign(bob_, target, "default", "POST", body)), 403,
          "KOOPHONE.API.1001");
}

TEST_F(AuthTest, SocketActsInTheProjectThatItNames) {
  add_unreachable("p1");
  EXPECT_EQ(body_of(ask_local("GET", "/api/v1/instances")).at("instances").as_array().size(), 1u);
  const auto in_other = ask_local("GET", "/api/v1/instances", {}, "X-Drover-Project: other\r\n");
  EXPECT_TRUE(body_of(in_other).at("instances").as_array().empty());
  const auto in_none = ask_local("GET", "/api/v1/instances", {}, "X-Drover-Project: none\r\n");
  EXPECT_NE(refused(in_none, 404, "KOOPHONE.API.1000").find("none"), std::string::npos);
  // The node's own things are in no project.
  EXPECT_EQ(ask_local("GET", "/api/v1/users", {}, "X-Drover-Project: none\r\n").status, 200u);
}

// Over TCP the header that names a project is nothing.
TEST_F(AuthTest, ProjectHeaderOverTcpChangesNothing) {
  add_unreachable("p1");
  const auto answer = ask("GET", "/api/v1/instances", other_, {}, "X-Drover-Project: default\r\n");
  EXPECT_TRUE(body_of(answer).at("instances").as_array().empty());
  refused(ask("GET", "/api/v1/instances", {}, {}, "X-Drover-Project: default\r\n"), 401, "APIGW.0301");
}

TEST_F(AuthTest, RevokedIsRefusedWithTheNextRequest) {
  const auto made = body_of(
      ask_local("POST", "/api/v1/tokens", R"({"project":"default","role":"readonly","expires_s":60})"));
  const std::string secret(made.at("token").as_string());
  http::Client client = connect();
  EXPECT_EQ(client.ask(request("GET", kMe, secret)).status, 200u);
  body_of(ask_local("DELETE", "/api/v1/tokens/" + std::string(made.at("token_id").as_string())));
  refused(client.ask(request("GET", kMe, secret)), 401, "APIGW.0301");

  const std::string session = log_in("alice", "default");
  EXPECT_EQ(client.ask(request("GET", "/api/v1/instances", session)).status, 200u);
  body_of(ask_local("DELETE", "/api/v1/users/alice/grants?project=default&role=KooPhone%20Administrator"));
  refused(client.ask(request("GET", "/api/v1/instances", session)), 401, "APIGW.0301");
}

}  // namespace
}  // namespace drover::api
