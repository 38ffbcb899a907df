#include "base/rate_limit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>
#include <vector>

namespace drover {
namespace {

const SteadyTime kStart = SteadyTime() + std::chrono::hours(1'000);

int taken(RateLimit& limit, std::int64_t key, SteadyTime now, int most = 100'000) {
  int count = 0;
  while (count < most && !limit.take(key, now)) ++count;
  return count;
}

TEST(RateLimit, ABurstAndThenTheRate) {
  RateLimit limit(10, 5);
  EXPECT_EQ(taken(limit, 1, kStart), 5);
  EXPECT_EQ(limit.take(1, kStart), Millis(100));
  EXPECT_EQ(limit.take(1, kStart + Millis(99)), Millis(1));
  EXPECT_EQ(taken(limit, 1, kStart + Millis(100)), 1);
  EXPECT_EQ(taken(limit, 1, kStart + Millis(399)), 2);
  EXPECT_EQ(taken(limit, 1, kStart + Millis(400)), 1);
  EXPECT_EQ(taken(limit, 1, kStart + std::chrono::hours(24)), 5);  // no more than the bucket holds
}

TEST(RateLimit, WhoWaitsAsToldIsServed) {
  RateLimit limit(7, 3);
  SteadyTime now = kStart;
  int waits = 0;
  for (int i = 0; i < 1'000; ++i) {
    if (const auto wait = limit.take(1, now)) {
      now += *wait;
      ++waits;
      ASSERT_FALSE(limit.take(1, now));
    }
  }
  EXPECT_EQ(waits, 997);
  const auto seconds = std::chrono::duration<double>(now - kStart).count();
  EXPECT_NEAR(seconds, 997 / 7.0, 0.01 * seconds);
}

TEST(RateLimit, LookingTakesNothing) {
  RateLimit limit(10, 2);
  EXPECT_EQ(limit.wait(1, kStart), std::nullopt);  // nobody has been there
  EXPECT_EQ(limit.keys(), 0u);
  EXPECT_EQ(limit.take(1, kStart), std::nullopt);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.wait(1, kStart), std::nullopt);
  EXPECT_EQ(limit.take(1, kStart), std::nullopt);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.wait(1, kStart), Millis(100));
  EXPECT_EQ(limit.take(1, kStart), Millis(100));
  EXPECT_EQ(limit.wait(1, kStart + Millis(100)), std::nullopt);
  EXPECT_EQ(RateLimit(0, 1).wait(1, kStart), std::nullopt);
}

TEST(RateLimit, KeysAreApartAndAnyNumber) {
  RateLimit limit(1, 2);
  for (const std::int64_t key :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{7}, std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(taken(limit, key, kStart), 2);
  }
  EXPECT_EQ(limit.keys(), 5u);
}

TEST(RateLimit, ARateOfZeroSetsNoLimit) {
  RateLimit limit(0, 1);
  EXPECT_EQ(taken(limit, 1, kStart, 10'000), 10'000);
  EXPECT_EQ(limit.keys(), 0u);
}

TEST(RateLimit, ABurstOfZeroIsOne) {
  RateLimit limit(1, 0);
  EXPECT_EQ(taken(limit, 1, kStart), 1);
}

TEST(RateLimit, TheLargestNumbersDoNotOverflow) {
  constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();
  RateLimit slow(1, kMax);
  EXPECT_EQ(taken(slow, 1, kStart), 100'000);
  RateLimit fast(1'000'000'000, kMax);
  EXPECT_EQ(taken(fast, 1, kStart), 100'000);
}

TEST(RateLimit, TimeThatSeemsToGoBackGivesNothingAway) {
  RateLimit limit(10, 1);
  EXPECT_EQ(taken(limit, 1, kStart), 1);
  EXPECT_EQ(limit.take(1, kStart - Millis(50)), Millis(150));
}

TEST(RateLimit, OfManyThreadsNoneGetsMore) {
  constexpr int kTokens = 1'000'000;  // so many that the threads do run at the same time
  RateLimit limit(1, kTokens);
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      int mine = 0;
      while (!limit.take(7, kStart)) {
        if (++mine % 64 == 0) limit.take(-1 - t * kTokens - mine, kStart);  // others come meanwhile
      }
      count += mine;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, kTokens);
}

TEST(RateLimit, IdleKeysMakeRoom) {
  RateLimit limit(1, 1);
  for (std::size_t key = 0; key < RateLimit::kMostKeys; ++key) {
    limit.take(static_cast<std::int64_t>(key), kStart + Millis(key < 100 ? 2'000 : 0));
  }
  EXPECT_EQ(limit.keys(), RateLimit::kMostKeys);
  EXPECT_FALSE(limit.take(-1, kStart + Millis(2'500)));
  EXPECT_EQ(limit.keys(), 101u);
  EXPECT_EQ(limit.take(5, kStart + Millis(2'500)), Millis(500));  // who is short of tokens is remembered
}

TEST(RateLimit, StaysWithinItsBound) {
  RateLimit limit(1, 1);
  for (std::int64_t key = 0; key < 200'000; ++key) {
    ASSERT_FALSE(limit.take(key, kStart));
    ASSERT_LE(limit.keys(), RateLimit::kMostKeys);
  }
}

}  // namespace
}  // namespace drover
