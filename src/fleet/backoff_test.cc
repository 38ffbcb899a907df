#include "fleet/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace drover::fleet {
namespace {

// What many phones with the same history would draw.
struct Pauses {
  explicit Pauses(const Backoff& backoff) {
    for (int i = 0; i < 2'000; ++i) drawn.insert(backoff.pause());
  }
  Millis shortest() const { return *drawn.begin(); }
  Millis longest() const { return *drawn.rbegin(); }
  std::multiset<Millis> drawn;
};

TEST(Backoff, GrowsWithEachFailureUpToItsLimit) {
  Backoff backoff;
  double base = static_cast<double>(Backoff::kFirst.count());
  for (int failure = 1; failure < 300; ++failure) {
    backoff.failed();
    const Pauses pauses(backoff);
    const double wanted = std::min<double>(base, Backoff::kLongest.count());
    ASSERT_GE(pauses.shortest().count() + 1, wanted * (1 - Backoff::kJitter)) << failure;
    ASSERT_LE(pauses.longest().count(), wanted * (1 + Backoff::kJitter)) << failure;
    base = std::min<double>(base * Backoff::kGrowth, 2 * Backoff::kLongest.count());
    if (failure == 20) failure = 250;  // and past where the count itself ends
  }
}

TEST(Backoff, PhonesThatFailTogetherDoNotComeBackTogether) {
  Backoff backoff;
  for (int i = 0; i < 20; ++i) backoff.failed();
  const Pauses pauses(backoff);
  const auto spread = pauses.longest() - pauses.shortest();
  EXPECT_GT(spread, Backoff::kLongest * 2 * Backoff::kJitter * 0.9);
  // Evenly: no twentieth of the time gets three times its share.
  const Millis step = spread / 20 + Millis(1);
  for (int i = 0; i < 20; ++i) {
    const auto from = pauses.drawn.lower_bound(pauses.shortest() + step * i);
    const auto to = pauses.drawn.lower_bound(pauses.shortest() + step * (i + 1));
    EXPECT_LT(std::distance(from, to), 300);
  }
}

TEST(Backoff, BeginsAnewAfterAGoodLink) {
  Backoff backoff;
  EXPECT_FALSE(backoff.failing());
  for (int i = 0; i < 20; ++i) backoff.failed();
  EXPECT_TRUE(backoff.failing());
  backoff.reset();
  EXPECT_FALSE(backoff.failing());
  EXPECT_LE(Pauses(backoff).longest(), Backoff::kFirst * (1 + Backoff::kJitter));
}

}  // namespace
}  // namespace drover::fleet
