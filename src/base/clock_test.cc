#include "base/clock.h"

#include <gtest/gtest.h>

namespace drover {
namespace {

TEST(FormatUtc, WritesTheTime) {
  EXPECT_EQ(format_utc(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_utc(1'795'467'900'123), "2026-11-23T21:05:00Z");
  EXPECT_EQ(format_utc(1'795'467'900'123, true), "2026-11-23T21:05:00.123Z");
  EXPECT_EQ(format_utc(1'709'164'799'007, true), "2024-02-28T23:59:59.007Z");
  EXPECT_EQ(format_utc(1'709'164'800'000, true), "2024-02-29T00:00:00.000Z");
}

TEST(FormatUtc, WritesTimesBefore1970) {
  EXPECT_EQ(format_utc(-1, true), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_utc(-1'000, true), "1969-12-31T23:59:59.000Z");
}

TEST(Clock, TellsTheTime) {
  const Clock clock;
  EXPECT_GT(clock.unix_ms(), 1'700'000'000'000);
  const SteadyTime before = clock.steady();
  EXPECT_LE(before, clock.steady());
}

}  // namespace
}  // namespace drover
