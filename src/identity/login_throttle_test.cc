#include "identity/login_throttle.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

namespace drover::identity {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class TurnedClock final : public Clock {
 public:
  SteadyTime steady() const override { return now_; }
  void turn(Millis by) { now_ += by; }

 private:
  SteadyTime now_ = SteadyTime() + hours(1'000);
};

class LoginThrottling : public testing::Test {
 protected:
  // How many tries in a row go on.
  int tries(const std::string& user, const std::string& address, int most = 1'000) {
    int count = 0;
    while (count < most && !throttle_.wait_before(user, address)) ++count;
    return count;
  }

  std::string host(int i) { return "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256); }

  TurnedClock clock_;
  LoginThrottle throttle_{clock_};
};

TEST_F(LoginThrottling, AfterFiveFailuresEachWaitIsTwiceTheOneBefore) {
  EXPECT_EQ(tries("ann", "10.0.0.1"), 5);
  for (const int wait : {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900}) {
    EXPECT_EQ(throttle_.wait_before("ann", "10.0.0.1"), seconds(wait));
    clock_.turn(seconds(wait) - Millis(1));
    EXPECT_EQ(throttle_.wait_before("ann", "10.0.0.1"), Millis(1));  // asking too early costs nothing
    clock_.turn(Millis(1));
    EXPECT_EQ(throttle_.wait_before("ann", "10.0.0.1"), std::nullopt);
  }
  EXPECT_EQ(tries("ann", "10.0.0.2"), 5);
  EXPECT_EQ(tries("bob", "10.0.0.1"), 5);
}

TEST_F(LoginThrottling, ASuccessClearsTheUserFromThatAddressOnly) {
  EXPECT_EQ(tries("ann", "10.0.0.1"), 5);
  EXPECT_EQ(tries("ann", "10.0.0.2"), 5);
  EXPECT_EQ(tries("bob", "10.0.0.1"), 5);
  throttle_.succeeded("ann", "10.0.0.1");
  EXPECT_EQ(tries("ann", "10.0.0.1"), 5);
  EXPECT_EQ(tries("ann", "10.0.0.2"), 0);
  EXPECT_EQ(tries("bob", "10.0.0.1"), 0);
}

TEST_F(LoginThrottling, WhoKnowsOnePasswordGetsNoMoreTriesAtOthers) {
  int count = 0;
  for (int i = 0; i < 1'000; ++i) {
    if (tries("other" + std::to_string(i), "10.0.0.1", 1) == 1) ++count;
    if (tries("mine", "10.0.0.1", 1) == 1) throttle_.succeeded("mine", "10.0.0.1");
  }
  EXPECT_EQ(count, 30);
}

TEST_F(LoginThrottling, OneWhoAlwaysSucceedsNeverWaits) {
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(throttle_.wait_before("ann", "10.0.0.1"), std::nullopt);
    throttle_.succeeded("ann", "10.0.0.1");
  }
  EXPECT_EQ(throttle_.keys(), 0u);
}

TEST_F(LoginThrottling, AnAddressThatTriesManyUsersWaits) {
  for (int i = 0; i < 30; ++i) EXPECT_EQ(tries("user" + std::to_string(i), "10.0.0.1", 1), 1);
  EXPECT_EQ(throttle_.wait_before("new", "10.0.0.1"), seconds(1));
  EXPECT_EQ(throttle_.wait_before("new", "10.0.0.2"), std::nullopt);
  for (int i = 0; i < 20; ++i) {
    clock_.turn(minutes(15));
    EXPECT_EQ(tries("more" + std::to_string(i), "10.0.0.1"), 1);
  }
  EXPECT_EQ(throttle_.wait_before("new", "10.0.0.1"), minutes(15));
}

TEST_F(LoginThrottling, NobodyLocksAUserOutForLong) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(tries("ann", host(i), 1), 1);
  EXPECT_EQ(throttle_.wait_before("ann", "10.9.9.9"), seconds(1));
  for (int i = 50; i < 200; ++i) {
    clock_.turn(seconds(30));
    EXPECT_EQ(tries("ann", host(i)), 1);
  }
  EXPECT_EQ(throttle_.wait_before("ann", "10.9.9.9"), seconds(30));
  EXPECT_EQ(throttle_.wait_before("bob", "10.9.9.9"), std::nullopt);
}

TEST_F(LoginThrottling, WhereAUserLoggedInOthersDoNotHoldThemUp) {
  EXPECT_EQ(tries("ann", "10.9.9.9", 1), 1);
  throttle_.succeeded("ann", "10.9.9.9");
  clock_.turn(hours(29 * 24));
  for (int i = 0; i < 50; ++i) tries("ann", host(i), 1);
  EXPECT_TRUE(throttle_.wait_before("ann", "10.9.9.8"));
  EXPECT_EQ(tries("ann", "10.9.9.9"), 5);  // as for anybody
  clock_.turn(hours(24));
  for (int i = 0; i < 50; ++i) tries("ann", host(i), 1);
  EXPECT_TRUE(throttle_.wait_before("ann", "10.9.9.9"));
}

TEST_F(LoginThrottling, BehindOneAddressWhoLoggedInBeforeIsNotLockedOut) {
  EXPECT_EQ(tries("ann", "10.0.0.1", 1), 1);
  throttle_.succeeded("ann", "10.0.0.1");
  for (int i = 0; i < 30; ++i) tries("user" + std::to_string(i), "10.0.0.1", 1);
  EXPECT_TRUE(throttle_.wait_before("bob", "10.0.0.1"));
  EXPECT_EQ(tries("ann", "10.0.0.1"), 5);  // as for anybody
}

TEST_F(LoginThrottling, FailuresFadeInAnHour) {
  EXPECT_EQ(tries("ann", "10.0.0.1"), 5);
  clock_.turn(hours(1) - Millis(1));
  EXPECT_EQ(tries("ann", "10.0.0.1"), 1);
  clock_.turn(hours(1));
  EXPECT_EQ(tries("ann", "10.0.0.1"), 5);
}

TEST_F(LoginThrottling, AddressesCountByWhatOneCustomerHas) {
  EXPECT_EQ(tries("ann", "2001:db8:1:2::1"), 5);
  EXPECT_EQ(tries("ann", "2001:db8:1:2:ffff::9"), 0);
  EXPECT_EQ(tries("ann", "2001:0DB8:1:2::1%eth0"), 0);
  EXPECT_EQ(tries("ann", "2001:db8:1:3::1"), 5);
  EXPECT_EQ(tries("ann", "192.0.2.1"), 5);
  EXPECT_EQ(tries("ann", "::ffff:192.0.2.1"), 0);
  EXPECT_EQ(tries("ann", "::ffff:192.0.2.2"), 5);
  EXPECT_EQ(tries("ann", "local"), 5);
  EXPECT_EQ(tries("ann", ""), 5);
}

TEST_F(LoginThrottling, UserAndAddressAreKeptApart) {
  EXPECT_EQ(tries("xb", "a"), 5);
  EXPECT_EQ(tries("b", "ax"), 5);
  EXPECT_EQ(tries("", "axb"), 5);
}

TEST_F(LoginThrottling, OfManyTriesAtOnceNoMoreGoOnThanInTurn) {
  std::atomic<int> going{0};
  std::barrier together(8);
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, this] {
      together.arrive_and_wait();
      for (int i = 0; i < 125; ++i) going += throttle_.wait_before("ann", "10.0.0.1") ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(going, 5);
}

TEST_F(LoginThrottling, WhatWasNotTriedDoesNotCount) {
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(throttle_.wait_before("ann", "10.0.0.1"), std::nullopt);
    throttle_.not_tried("ann", "10.0.0.1");
  }
  EXPECT_EQ(throttle_.keys(), 0u);
  EXPECT_EQ(tries("ann", "10.0.0.1"), 5);
}

TEST_F(LoginThrottling, AFloodMakesItNeitherLargeNorForgetful) {
  EXPECT_EQ(tries("ann", "10.0.0.1"), 5);
  for (int i = 0; i < 40'000; ++i) {
    EXPECT_EQ(tries("nobody" + std::to_string(i), "2001:db8:" + std::to_string(i % 9'000) + "::1", 1), 1);
  }
  EXPECT_EQ(throttle_.keys(), FailureTable::kMostKeys);
  EXPECT_EQ(tries("ann", "10.0.0.1"), 0);
}

}  // namespace
}  // namespace drover::identity
