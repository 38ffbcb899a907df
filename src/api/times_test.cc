#include "api/times.h"

#include <gtest/gtest.h>

namespace drover::api {
namespace {

TEST(TimesTest, TakesItsFormOnly) {
  EXPECT_EQ(parse_utc("2023-08-15 14:30:45", ' ', ""), 1'692'109'845'000);
  EXPECT_EQ(parse_utc("2023-08-15T14:30:45Z", 'T', "Z"), 1'692'109'845'000);
  EXPECT_EQ(parse_utc("1970-01-01T00:00:00Z", 'T', "Z"), 0);
  for (const char* wrong :
       {"", "2023-08-15 14:30:45", "2023-08-15T14:30:45", "2023-08-15T14:30:45z", "2023-08-15T14:30:45ZZ",
        "2023-02-29T00:00:00Z", "2023-08-15T24:00:00Z", "2023-08-15T14:60:00Z", "2023-08-15T14:30:60Z",
        "+023-08-15T14:30:45Z", "2023-8-15T14:30:45Z", "2023-08-15T14:30:45.5Z"}) {
    EXPECT_FALSE(parse_utc(wrong, 'T', "Z")) << wrong;
  }
}

}  // namespace
}  // namespace drover::api
