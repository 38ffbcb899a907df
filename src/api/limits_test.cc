// Rates of requests.
#include "api/limits.h"

#include <gtest/gtest.h>

#include "api/testing/api_fixture.h"

namespace drover::api {
namespace {

class StoppedClock final : public Clock {
 public:
  SteadyTime steady() const override { return now; }
  SteadyTime now = SteadyTime() + std::chrono::hours(1'000);
};

identity::Principal principal(std::int64_t project, std::int64_t key) {
  identity::Principal who;
  who.project = project;
  who.limit_key = key;
  return who;
}

TEST(LimitsTest, SayWhoseLimitAndTheTrueWait) {
  StoppedClock clock;
  Limits limits(clock, 2'000, 1);
  EXPECT_TRUE(limits.take(principal(1, 1)));
  const auto refused = limits.take(principal(1, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 429u);
  EXPECT_EQ(refused.error().code, code::kTooManyRequests);
  EXPECT_EQ(refused.error().message, "too many requests: the user may make 1 a second (limits.user_rate)");
  EXPECT_EQ(refused.error().retry_after, Seconds(1));
  clock.now += Millis(999);
  EXPECT_FALSE(limits.look(principal(1, 1)));
  clock.now += Millis(1);
  EXPECT_TRUE(limits.look(principal(1, 1))) << "looking counts nothing";
  EXPECT_TRUE(limits.take(principal(1, 1)));
  EXPECT_TRUE(limits.take(principal(1, 2))) << "another user";
}

TEST(LimitsTest, ProjectsUsersShareItsLimit) {
  StoppedClock clock;
  Limits limits(clock, 4, 3);
  int taken = 0;
  for (int i = 0; i < 5; ++i) taken += limits.take(principal(1, 1)) ? 1 : 0;
  EXPECT_EQ(taken, 3);
  for (int i = 0; i < 5; ++i) taken += limits.take(principal(1, 2)) ? 1 : 0;
  EXPECT_EQ(taken, 4);
  EXPECT_NE(limits.take(principal(1, 3)).error().message.find("limits.project_rate"), std::string::npos);
  EXPECT_TRUE(limits.take(principal(2, 3))) << "another project";
  EXPECT_TRUE(limits.take(principal(0, 4))) << "no project";
}

TEST(LimitsTest, ZeroIsNoLimit) {
  StoppedClock clock;
  Limits limits(clock, 0, 0);
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(limits.take(principal(1, 1)));
}

class LimitedTest : public ApiTest {
 protected:
  LimitedTest() : ApiTest({.project_rate = 1'000'000, .user_rate = 3}) {}
};

TEST_F(LimitedTest, BeyondIsA429ThatSaysWhenToComeBack) {
  clock_.stop();  // nobody gets a request back meanwhile
  http::Client client = connect();
  http::Answer answer;
  for (int i = 0; i < 4; ++i) answer = client.ask(request("GET", "/api/v1/me", admin_));
  refused(answer, 429, "APIGW.0308");
  EXPECT_EQ(answer.header("Retry-After"), "1");
  // Others are not concerned, and the server's own user and whoever has to be known by nobody never.
  EXPECT_EQ(ask("GET", "/api/v1/me", reader_).status, 200u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask_local("GET", "/api/v1/me").status, 200u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask("GET", "/healthz", admin_).status, 200u);
  // A large body is refused before it is sent.
  const std::string head = "POST /api/v1/tasks HTTP/1.1\r\nHost: drover\r\nX-Auth-Token: " + admin_ +
                           "\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n";
  refused(connect().ask(head), 429, "APIGW.0308");
}

// Each refusal is an entry of the audit log: somebody who may do little must not be able to fill it.
TEST_F(LimitedTest, RefusalsCountToo) {
  http::Client client = connect();
  unsigned status = 403;
  for (int i = 0; i < 100 && status == 403; ++i)
    status = client.ask(request("GET", "/api/v1/users", reader_)).status;
  EXPECT_EQ(status, 429u);
}

// Also those that are refused before their body is read.
TEST_F(LimitedTest, EarlyRefusalsCountToo) {
  const std::string head = "POST /api/v1/tasks HTTP/1.1\r\nHost: drover\r\nX-Auth-Token: " + reader_ +
                           "\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n";
  unsigned status = 403;
  for (int i = 0; i < 100 && status == 403; ++i) status = connect().ask(head).status;
  EXPECT_EQ(status, 429u);
}

}  // namespace
}  // namespace drover::api
