#include "cli/duration.h"

#include <gtest/gtest.h>

namespace drover::cli {
namespace {

TEST(Duration, ReadsWholeNumbersWithAUnit) {
  EXPECT_EQ(parse_duration("90s").value(), Seconds(90));
  EXPECT_EQ(parse_duration("90").value(), Seconds(90));
  EXPECT_EQ(parse_duration("10m").value(), Seconds(600));
  EXPECT_EQ(parse_duration("24h").value(), Seconds(86'400));
  EXPECT_EQ(parse_duration("7d").value(), Seconds(604'800));
  EXPECT_EQ(parse_duration("0s").value(), Seconds(0));
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text : {"", "s", "-1s", "1.5h", "1h30m", " 1s", "1 s", "1w", "9223372036854775807d", "+5s",
                           "99999999999999999999s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
  EXPECT_EQ(parse_duration("1w").error().message, "\"1w\" is not a span of time such as 90s, 10m, 24h or 7d");
}

TEST(Duration, WritesTheShortestExactForm) {
  EXPECT_EQ(format_duration(Seconds(90)), "90s");
  EXPECT_EQ(format_duration(Seconds(600)), "10m");
  EXPECT_EQ(format_duration(Seconds(86'400)), "1d");
  EXPECT_EQ(format_duration(Seconds(90'000)), "25h");
  EXPECT_EQ(format_duration(Seconds(0)), "0s");
}

}  // namespace
}  // namespace drover::cli
