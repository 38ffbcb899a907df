#include "api/error_form.h"

#include <gtest/gtest.h>

#include "api/testing/fake_request.h"
#include "identity/errc.h"

namespace drover::api {
namespace {

constexpr char kUsual[] = R"({"error_code":"APIGW.0301","error_msg":"why"})";
constexpr char kBoth[] =
    R"({"error":{"code":401,"title":"Unauthorized","message":"why"},"error_code":"APIGW.0301","error_msg":"why"})";

http::Response refused(const std::string& path, const std::string& host = "node:80") {
  FakeRequest request;
  request.path_as_sent = path;
  request.headers.emplace("Host", host);
  return refuse(request, {401, code::kNotAuthenticated, "why"});
}

std::string challenge(const http::Response& response) {
  for (const auto& [name, value] : response.headers)
    if (name == "WWW-Authenticate") return value;
  return "none";
}

TEST(ErrorFormTest, PathTellsTheForm) {
  for (const char* path : {"/v3", "/v3/", "/v3/auth/tokens", "//v3/auth/tokens"}) {
    EXPECT_EQ(refused(path).body, kBoth) << path;
    EXPECT_EQ(error_body(401, "why", path), kBoth) << path;
  }
  for (const char* path : {"/", "/v1/instances", "/v30", "/v3x/auth", "/api/v3/", "", "//"}) {
    EXPECT_EQ(refused(path).body, kUsual) << path;
    EXPECT_EQ(error_body(401, "why", path), kUsual) << path;
  }
}

TEST(ErrorFormTest, UnknownCallersLearnWhereToLogIn) {
  EXPECT_EQ(challenge(refused("/v3/projects")), R"(Keystone uri="http://node:80/v3")");
  EXPECT_EQ(challenge(refused("/v3/projects", "no\"de")), "Keystone");
  EXPECT_EQ(challenge(refused("/v1/instances/batch-query")), "none");
}

TEST(ErrorFormTest, ServersOwnErrorsHaveTheirCodes) {
  EXPECT_EQ(error_body(404, "no", "/x"), R"({"error_code":"APIGW.0101","error_msg":"no"})");
  EXPECT_EQ(
      error_body(404, "no", "/v3/x"),
      R"({"error":{"code":404,"title":"Not Found","message":"no"},"error_code":"APIGW.0101","error_msg":"no"})");
  EXPECT_EQ(error_body(413, "no", "/v3/x"),
            R"({"error":{"code":413,"title":"Content Too Large","message":"no"},)"
            R"("error_code":"KOOPHONE.API.1000","error_msg":"no"})");
}

TEST(ErrorFormTest, RetryAfterIsTheTrueWaitRoundedUp) {
  const auto wait = [](Millis retry_after) {
    const Error error{identity::Errc::kThrottled, "wait"};
    const http::Response response = refuse(refusal_of(error, retry_after));
    EXPECT_EQ(response.status, 429u);
    return response.headers.at(0).second;
  };
  EXPECT_EQ(wait(Millis(1)), "1");
  EXPECT_EQ(wait(Millis(1000)), "1");
  EXPECT_EQ(wait(Millis(1001)), "2");
  EXPECT_EQ(wait(Millis(900'000)), "900");
  EXPECT_EQ(wait(Millis(0)), "5");
}

TEST(ErrorFormTest, TheWaitIsInTheTextForThoseWhoSeeNoHeaders) {
  const Error error{identity::Errc::kThrottled, "too many failed logins"};
  EXPECT_EQ(refusal_of(error, Millis(1001)).message, "too many failed logins: try again in 2 s");
  EXPECT_EQ(refusal_of(error, Millis(0)).message, "too many failed logins");
}

}  // namespace
}  // namespace drover::api
