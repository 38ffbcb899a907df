// Users, keys, policies, projects and tokens over HTTP.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "api/testing/api_fixture.h"
#include "api/testing/signer.h"

namespace drover::api::native {
namespace {

using boost::json::value;

class AdminTest : public ApiTest {
 protected:
  value made(const std::string& target, const std::string& body) {
    return body_of(ask_local("POST", target, body));
  }
  value shown(const std::string& target) { return body_of(ask_local("GET", target)); }
  static std::string text(const value& object, const char* member) {
    return std::string(object.at(member).as_string());
  }
  std::string actor(const std::string& token) {
    return text(body_of(ask("GET", "/api/v1/me", token)), "actor");
  }
};

TEST_F(AdminTest, Users) {
  const value alice = made("/api/v1/users", R"({"name":"alice","password":"a long password",
      "grants":[{"project":"default","role":"admin"},{"project":"other","role":"readonly"}]})");
  EXPECT_EQ(text(alice, "name"), "alice");
  EXPECT_EQ(text(alice, "user_id").size(), 32u);
  EXPECT_TRUE(alice.at("enabled").as_bool());
  EXPECT_TRUE(alice.at("has_password").as_bool());
  EXPECT_FALSE(alice.as_object().contains("password"));
  EXPECT_EQ(boost::json::serialize(alice.at("grants")),
            R"([{"project":"default","role":"KooPhone Administrator"},)"
            R"({"project":"other","role":"KooPhone ReadOnlyUser"}])");
  EXPECT_EQ(shown("/api/v1/users/alice"), alice);
  EXPECT_EQ(shown("/api/v1/users/" + text(alice, "user_id")), alice);
  EXPECT_EQ(shown("/api/v1/users").at("users").as_array().size(), 1u);

  refused(ask_local("POST", "/api/v1/users", R"({"name":"alice"})"), 400, "KOOPHONE.API.1000");
  refused(ask_local("POST", "/api/v1/users", R"({"name":"a/b"})"), 400, "KOOPHONE.API.1000");
  refused(ask_local("POST", "/api/v1/users", R"({"name":"bob","password":"short"})"), 400,
          "KOOPHONE.API.1000");
  refused(
      ask_local("POST", "/api/v1/users", R"({"name":"bob","grants":[{"project":"none","role":"admin"}]})"),
      404, "KOOPHONE.API.1000");
  refused(ask_local("GET", "/api/v1/users/bob"), 404, "KOOPHONE.API.1000");
  EXPECT_EQ(ask_local("DELETE", "/api/v1/users/alice").body, "{}");
  refused(ask_local("DELETE", "/api/v1/users/alice"), 404, "KOOPHONE.API.1000");
}

TEST_F(AdminTest, GeneratedPasswordOpensOnce) {
  const value bob = made("/api/v1/users", R"({"name":"bob","generate_password":true,
      "grants":[{"project":"default","role":"admin"}]})");
  const std::string first = text(bob, "password");
  EXPECT_FALSE(shown("/api/v1/users/bob").as_object().contains("password"));
  const value changed = body_of(ask_local("PUT", "/api/v1/users/bob", R"({"generate_password":true})"));
  EXPECT_NE(text(changed, "password"), first);
  const value off = body_of(ask_local("PUT", "/api/v1/users/bob", R"({"enabled":false})"));
  EXPECT_FALSE(off.at("enabled").as_bool());
  EXPECT_FALSE(off.as_object().contains("password"));
}

TEST_F(AdminTest, GrantsComeAndGo) {
  made("/api/v1/users", R"({"name":"bob"})");
  const value with = made("/api/v1/users/bob/grants", R"({"project":null,"role":"readonly"})");
  EXPECT_EQ(boost::json::serialize(with.at("grants")),
            R"([{"project":null,"role":"KooPhone ReadOnlyUser"}])");
  const std::string grants = "/api/v1/users/bob/grants";
  refused(ask_local("POST", grants, R"({"project":"default","role":"nothing"})"), 404, "KOOPHONE.API.1000");
  refused(ask_local("DELETE", grants), 400, "KOOPHONE.API.1000");
  refused(ask_local("DELETE", grants + "?role=readonly&project="), 400, "KOOPHONE.API.1000");
  refused(ask_local("DELETE", grants + "?role=readonly&project=default"), 404, "KOOPHONE.API.1000");
  const value without = body_of(ask_local("DELETE", grants + "?role=readonly"));
  EXPECT_TRUE(without.at("grants").as_array().empty());
}

TEST_F(AdminTest, EverybodyKnowsHimself) {
  make_user("alice", {{"default", std::string(identity::kReadOnlyUser)}});
  const value me = body_of(ask("GET", "/api/v1/me", log_in("alice", "default")));
  EXPECT_EQ(text(me, "actor"), "user:alice");
  EXPECT_EQ(text(me, "user"), "alice");
  EXPECT_EQ(text(me, "project"), "default");
  EXPECT_EQ(text(me, "project_id"), identity_->project("default")->id);
  EXPECT_EQ(boost::json::serialize(me.at("roles")), R"(["KooPhone ReadOnlyUser"])");
  EXPECT_FALSE(me.at("node_administrator").as_bool());
  const value token = body_of(ask("GET", "/api/v1/me", admin_));
  EXPECT_TRUE(token.at("user").is_null());
  EXPECT_TRUE(body_of(ask_local("GET", "/api/v1/me")).at("node_administrator").as_bool());
}

TEST_F(AdminTest, UsersChangeTheirOwnPassword) {
  make_user("alice", {{"default", std::string(identity::kReadOnlyUser)}});
  const std::string session = log_in("alice", "default");
  const std::string target = "/api/v1/me/password";
  const auto body = [](const std::string& from, const std::string& to) {
    return R"({"old_password":")" + from + R"(","new_password":")" + to + "\"}";
  };
  EXPECT_EQ(refused(ask("PUT", target, session, body("wrong password", "another password")), 400,
                    "KOOPHONE.API.1000"),
            "old_password is wrong");
  refused(ask("PUT", target, session, body(kPassword, "short")), 400, "KOOPHONE.API.1000");
  EXPECT_EQ(ask("PUT", target, session, body(kPassword, "another password")).body, "{}");
  refused(ask("GET", "/api/v1/me", session), 401, "APIGW.0301");
  refused(ask("PUT", target, admin_, body(kPassword, "another password")), 400, "KOOPHONE.API.1000");
}

TEST_F(AdminTest, Keys) {
  make_user("alice", {{"default", std::string(identity::kAdministrator)}});
  const value key = made("/api/v1/keys", R"({"user":"alice"})");
  const auto sign = [&](const std::string& access_key, const std::string& secret) {
    return signature_headers("GET", "/api/v1/me", "", access_key, secret, clock_.unix_ms());
  };
  const std::string id = text(key, "access_key");
  EXPECT_EQ(text(body_of(ask("GET", "/api/v1/me", "", "", sign(id, text(key, "secret_key")))), "user"),
            "alice");
  const value own =
      made("/api/v1/keys", R"({"user":"alice","access_key":"OWN","secret_key":"0123456789abcdef"})");
  EXPECT_EQ(text(own, "access_key"), "OWN");
  EXPECT_EQ(ask("GET", "/api/v1/me", "", "", sign("OWN", "0123456789abcdef")).status, 200u);

  const http::Answer list = ask_local("GET", "/api/v1/keys?user=alice");
  EXPECT_EQ(body_of(list).at("keys").as_array().size(), 2u);
  EXPECT_EQ(list.body.find("0123456789abcdef"), std::string::npos);
  refused(ask_local("GET", "/api/v1/keys?user=nobody"), 404, "KOOPHONE.API.1000");
  refused(
      ask_local("POST", "/api/v1/keys", R"({"user":"alice","access_key":"OWN","secret_key":"0123456789"})"),
      400, "KOOPHONE.API.1000");
  refused(ask_local("POST", "/api/v1/keys", R"({"user":"nobody"})"), 404, "KOOPHONE.API.1000");
  EXPECT_EQ(ask_local("DELETE", "/api/v1/keys/OWN").body, "{}");
  refused(ask("GET", "/api/v1/me", "", "", sign("OWN", "0123456789abcdef")), 401, "APIGW.0301");
}

TEST_F(AdminTest, Policies) {
  const std::string text_of_policy =
      R"({"Version":"1.1","Statement":[{"Effect":"Allow","Action":["*:query*"],"Resource":["label:team=blue"]}]})";
  EXPECT_EQ(ask_local("PUT", "/api/v1/policies/blue", text_of_policy).body, "{}");
  const value blue = shown("/api/v1/policies/blue");
  EXPECT_EQ(boost::json::serialize(blue.at("policy")), text_of_policy);
  EXPECT_FALSE(blue.at("system").as_bool());
  const value all = shown("/api/v1/policies");
  ASSERT_EQ(all.at("policies").as_array().size(), 3u);
  EXPECT_EQ(text(all.at("policies").at(0), "name"), "KooPhone Administrator");
  EXPECT_TRUE(all.at("policies").at(1).at("system").as_bool());
  // What is shown of a system role is the role.
  for (const char* role : {"KooPhone%20Administrator", "KooPhone%20ReadOnlyUser"}) {
    const value shown_role = shown(std::string("/api/v1/policies/") + role);
    const auto parsed =
        identity::parse_policy("shown", boost::json::serialize(shown_role.at("policy"))).value();
    const std::vector<std::shared_ptr<const identity::Policy>> one{
        std::make_shared<identity::Policy>(parsed)};
    const identity::Permissions as_shown(one);
    const auto real = identity_->permissions_of_policy(text(shown_role, "name")).value();
    for (std::size_t i = 0; i < identity::kActions; ++i) {
      const auto action = static_cast<identity::Action>(i);
      EXPECT_EQ(as_shown.verdict(action), real.verdict(action)) << identity::name_of(action);
    }
  }

  EXPECT_NE(refused(ask_local("PUT", "/api/v1/policies/red", R"({"Statement":[{"Effect":"allow"}]})"), 400,
                    "KOOPHONE.API.1000")
                .find("Statement[0].Effect"),
            std::string::npos);
  refused(ask_local("PUT", "/api/v1/policies/admin", text_of_policy), 400, "KOOPHONE.API.1000");
  refused(ask_local("PUT", "/api/v1/policies/KooPhone%20Administrator", text_of_policy), 400,
          "KOOPHONE.API.1000");
  make_token("default", "blue");
  refused(ask_local("DELETE", "/api/v1/policies/blue"), 409, "KOOPHONE.API.1000");
  put_policy("free", text_of_policy);
  EXPECT_EQ(ask_local("DELETE", "/api/v1/policies/free").body, "{}");
  refused(ask_local("DELETE", "/api/v1/policies/free"), 404, "KOOPHONE.API.1000");
  refused(ask_local("GET", "/api/v1/policies/free"), 404, "KOOPHONE.API.1000");
}

TEST_F(AdminTest, PoliciesAreTried) {
  put_policy("blue",
             R"({"Statement":[{"Effect":"Allow","Action":["drover:*"],"Resource":["label:team=blue"]}]})");
  make_user("alice", {{"default", "blue"}});
  body_of(post("/api/v1/instances", R"({"instances":[
      {"instance_id":"b1","address":"adb://127.0.0.1:1","labels":{"team":"blue"}}]})"));
  const auto tried = [&](const std::string& members) {
    return made("/api/v1/policy-test", R"({"action":"drover:instance:remove",)" + members + "}");
  };
  EXPECT_EQ(boost::json::serialize(tried(R"("user":"alice","project":"default","instance_id":"b1")")),
            R"({"allowed":true,"why":"statement 1 of policy \"blue\" allows it"})");
  EXPECT_FALSE(tried(R"("user":"alice","project":"default","instance_id":"r1")").at("allowed").as_bool());
  EXPECT_TRUE(tried(R"("policy":"blue","labels":{"team":"blue"})").at("allowed").as_bool());
  EXPECT_TRUE(tried(R"("policy":"admin")").at("allowed").as_bool());
  EXPECT_FALSE(tried(R"("policy":"readonly")").at("allowed").as_bool());
  EXPECT_EQ(boost::json::serialize(tried(R"("policy":"blue")")),
            R"({"allowed":null,"why":"it depends on the instance: give instance_id or labels"})");
  EXPECT_TRUE(tried(R"("document":{"Statement":[{"Effect":"Allow","Action":"*"}]})").at("allowed").as_bool());
  refused(ask_local("POST", "/api/v1/policy-test",
                    R"({"action":"drover:instance:remove","document":{"Statement":[]}})"),
          400, "KOOPHONE.API.1000");
  refused(ask_local("POST", "/api/v1/policy-test", R"({"action":"drover:instance:remove","policy":"none"})"),
          404, "KOOPHONE.API.1000");
}

TEST_F(AdminTest, ProjectsKeepAnIdThatClientsKnow) {
  const value project =
      made("/api/v1/projects", R"({"name":"kept","id":"0123456789abcdef0123456789abcdef"})");
  EXPECT_EQ(text(project, "project_id"), "0123456789abcdef0123456789abcdef");
  refused(ask_local("POST", "/api/v1/projects", R"({"name":"kept2","id":"0123"})"), 400, "KOOPHONE.API.1000");
  refused(
      ask_local("POST", "/api/v1/projects", R"({"name":"kept2","id":"0123456789abcdef0123456789abcdef"})"),
      400, "KOOPHONE.API.1000");
}

TEST_F(AdminTest, TokensHoldAnyRole) {
  put_policy("blue", R"({"Statement":[{"Effect":"Allow","Action":["*"],"Resource":["label:team=blue"]}]})");
  const value token = made("/api/v1/tokens", R"({"project":"default","role":"blue"})");
  EXPECT_EQ(text(token, "role"), "blue");
  EXPECT_EQ(actor(text(token, "token")), "token:" + text(token, "token_id"));
  EXPECT_EQ(text(made("/api/v1/tokens", R"({"project":"default","role":"KooPhone ReadOnlyUser"})"), "role"),
            "readonly");
  refused(ask_local("POST", "/api/v1/tokens", R"({"project":"default","role":"nothing"})"), 404,
          "KOOPHONE.API.1000");
}

}  // namespace
}  // namespace drover::api::native
