#include "api/rules.h"

#include <gtest/gtest.h>

#include "api/testing/fake_request.h"

namespace drover::api {
namespace {

TEST(RulesTest, NumbersAreGrouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1024), "1,024");
  EXPECT_EQ(grouped(-999), "-999");
  EXPECT_EQ(grouped(-1000), "-1,000");
  EXPECT_EQ(grouped(86400000), "86,400,000");
}

TEST(RulesTest, QueryIntegerIsStrict) {
  FakeRequest request;
  EXPECT_EQ(query_integer(request, "limit", 20, 1, 1000).value(), 20);
  EXPECT_EQ(required_query_integer(request, "limit", 1, 1000).error().message,
            "limit is missing; it must be an integer from 1 to 1,000");
  for (const char* good : {"1", "1000", "007"}) {
    request.queries["limit"] = good;
    EXPECT_EQ(query_integer(request, "limit", 20, 1, 1000).value(), std::stoi(good));
  }
  for (const char* bad :
       {"", "0", "1001", "-1", "+1", "1.0", "1e2", " 1", "1 ", "x", "99999999999999999999"}) {
    request.queries["limit"] = bad;
    const auto value = query_integer(request, "limit", 20, 1, 1000);
    ASSERT_FALSE(value) << bad;
    EXPECT_EQ(value.error().message, "limit must be an integer from 1 to 1,000");
  }
}

TEST(RulesTest, WaitIsAtMostAMinute) {
  FakeRequest request;
  EXPECT_EQ(query_wait(request).value(), Seconds(0));
  request.queries["wait"] = "60";
  EXPECT_EQ(query_wait(request).value(), Seconds(60));
  request.queries["wait"] = "61";
  EXPECT_EQ(query_wait(request).error().message, "wait must be an integer from 0 to 60");
}

}  // namespace
}  // namespace drover::api
