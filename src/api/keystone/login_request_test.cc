#include "api/keystone/login_request.h"

#include <gtest/gtest.h>

namespace drover::api::keystone {
namespace {

constexpr char kUser[] = R"("name":"alice","password":"correct horse","domain":{"name":"Default"})";

std::string body(const std::string& user, const std::string& scope = {},
                 const std::string& methods = R"(["password"])") {
  return R"({"auth":{"identity":{"methods":)" + methods + R"(,"password":{"user":{)" + user + "}}}" +
         (scope.empty() ? "" : ",\"scope\":" + scope) + "}}";
}

LoginRequest taken(const std::string& body) {
  auto parsed = parse_login_request(body);
  if (parsed) return *parsed;
  ADD_FAILURE() << body << ": " << parsed.error().message;
  return {};
}

std::string refusal(const std::string& body) {
  const auto parsed = parse_login_request(body);
  if (parsed) return "taken";
  EXPECT_EQ(parsed.error().status, 400u);
  EXPECT_EQ(parsed.error().message.find("correct horse"), std::string::npos);
  return parsed.error().message;
}

// As the service's documentation shows it.
TEST(LoginRequestTest, ReadsUserAndProject) {
  const LoginRequest login = taken(R"({
    "auth": {
      "identity": {
        "methods": ["password"],
        "password": {
          "user": {"domain": {"name": "the-account"}, "name": "alice", "password": "correct horse"}
        }
      },
      "scope": {"project": {"name": "default"}}
    }
  })");
  EXPECT_EQ(login.user, "alice");
  EXPECT_EQ(login.password, "correct horse");
  EXPECT_EQ(login.project, "default");
  EXPECT_FALSE(login.unscoped);
}

TEST(LoginRequestTest, IdsCountBeforeNames) {
  const LoginRequest login = taken(body(R"("id":"u1","name":"alice","password":"p")",
                                        R"({"project":{"name":"one","id":"p1","domain":{"id":"default"}}})"));
  EXPECT_EQ(login.user, "u1");
  EXPECT_EQ(login.project, "p1");
}

TEST(LoginRequestTest, WithoutAProject) {
  for (const char* scope : {"", "null", "{}", R"({"project":null})"}) {
    const LoginRequest login = taken(body(kUser, scope));
    EXPECT_EQ(login.project, "") << scope;
    EXPECT_FALSE(login.unscoped) << scope;
  }
  for (const char* scope : {R"("unscoped")", R"({"unscoped":{}})"}) {
    const LoginRequest login = taken(body(kUser, scope));
    EXPECT_EQ(login.project, "") << scope;
    EXPECT_TRUE(login.unscoped) << scope;
  }
}

TEST(LoginRequestTest, NamesWhatIsMissing) {
  const std::string methods = "auth.identity.methods is missing; it must be [\"password\"]";
  EXPECT_EQ(refusal("{}"), methods);
  EXPECT_EQ(refusal(R"({"auth":null})"), methods);
  EXPECT_EQ(refusal(R"({"auth":{"identity":{}}})"), methods);
  EXPECT_EQ(refusal(R"({"auth.identity.methods":["password"]})"), methods);
  EXPECT_EQ(refusal(R"({"auth":{"identity":{"methods":["password"]}}})"),
            "auth.identity.password.user must have a name or an id");
  EXPECT_EQ(refusal(body(R"("password":"correct horse")")),
            "auth.identity.password.user must have a name or an id");
  EXPECT_EQ(refusal(body(R"("name":"alice")")),
            "auth.identity.password.user.password is missing; it must be a string");
  EXPECT_EQ(refusal(body(kUser, R"({"project":{"domain":{"name":"Default"}}})")),
            "auth.scope.project must have a name or an id");
}

TEST(LoginRequestTest, NamesWhatHasTheWrongType) {
  EXPECT_EQ(refusal(R"({"auth":"x"})"), "auth must be an object");
  EXPECT_EQ(refusal(R"({"auth":{"identity":[]}})"), "auth.identity must be an object");
  EXPECT_EQ(refusal(body(kUser, {}, R"("password")")), "auth.identity.methods must be an array of strings");
  EXPECT_EQ(refusal(body(kUser, {}, "[1]")), "auth.identity.methods[0] must be a string");
  EXPECT_EQ(refusal(body(R"("name":7,"password":"correct horse")")),
            "auth.identity.password.user.name must be a string");
  EXPECT_EQ(refusal(body(R"("name":"alice","password":["correct horse"])")),
            "auth.identity.password.user.password must be a string");
  EXPECT_EQ(refusal(body(kUser, "7")), "auth.scope must be a string or an object");
  EXPECT_EQ(refusal(body(kUser, R"({"project":"default"})")), "auth.scope.project must be an object");
  EXPECT_EQ(refusal(body(kUser, R"({"project":{"id":{}}})")), "auth.scope.project.id must be a string");
}

TEST(LoginRequestTest, OtherMethodsAndScopesAreRefused) {
  const std::string methods = "auth.identity.methods must be [\"password\"]: there is no other way to log in";
  for (const char* other : {"[]", R"(["token"])", R"(["password","totp"])", R"(["password","password"])"})
    EXPECT_EQ(refusal(body(kUser, {}, other)), methods) << other;
  const std::string scope =
      "auth.scope may hold a project only: there are no roles in domains, in the system or by trust";
  for (const char* other : {R"({"domain":{"id":"default"}})", R"({"system":{"all":true}})",
                            R"({"OS-TRUST:trust":{"id":"x"}})", R"({"project":{"id":"x"},"domain":{}})"})
    EXPECT_EQ(refusal(body(kUser, other)), scope) << other;
  EXPECT_EQ(refusal(body(kUser, R"("all")")),
            "auth.scope must be \"unscoped\" or an object that holds a project");
  EXPECT_EQ(refusal(body(kUser, R"({"project":{"id":"x"},"unscoped":{}})")),
            "auth.scope must be either a project or unscoped");
}

TEST(LoginRequestTest, LengthsAreBounded) {
  const auto with = [](std::size_t name, std::size_t password) {
    return body(R"("name":")" + std::string(name, 'n') + R"(","password":")" + std::string(password, 'p') +
                "\"");
  };
  EXPECT_EQ(refusal(with(256, 256)), "taken");
  EXPECT_EQ(refusal(with(257, 1)), "auth.identity.password.user.name must be 1 to 256 bytes, got 257");
  EXPECT_EQ(refusal(with(1, 257)), "auth.identity.password.user.password must be 1 to 256 bytes, got 257");
  EXPECT_EQ(refusal(with(0, 1)), "auth.identity.password.user.name must be 1 to 256 bytes, got 0");
  EXPECT_EQ(refusal(with(1, 0)), "auth.identity.password.user.password must be 1 to 256 bytes, got 0");
  EXPECT_EQ(refusal(body(kUser, R"({"project":{"name":")" + std::string(1000, 'x') + "\"}}")),
            "auth.scope.project.name must be 1 to 256 bytes, got 1,000");
}

TEST(LoginRequestTest, PasswordsMayHoldAnything) {
  EXPECT_EQ(taken(body(R"("name":"a","password":"\"\\\u0000\ud83d\ude00 \u00e9")")).password,
            std::string("\"\\\0\xf0\x9f\x98\x80 \xc3\xa9", 10));
}

}  // namespace
}  // namespace drover::api::keystone
