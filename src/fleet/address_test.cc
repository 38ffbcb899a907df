#include "fleet/address.h"

#include <gtest/gtest.h>

namespace drover::fleet {
namespace {

TEST(Address, Forms) {
  EXPECT_EQ(parse_address("adb://192.0.2.7:5556")->host, "192.0.2.7");
  EXPECT_EQ(parse_address("adb://192.0.2.7:5556")->port, 5556);
  EXPECT_EQ(parse_address("adb://phone-7.rack.example")->port, 5555);
  EXPECT_EQ(parse_address("adb://[2001:db8::7]:1")->host, "2001:db8::7");
  EXPECT_EQ(parse_address("adb://[2001:db8::7]")->port, 5555);
}

TEST(Address, RefusesEverythingElse) {
  for (const char* bad :
       {"", "adb://", "192.0.2.7:5555", "http://a:1", "adb://a:0", "adb://a:65536", "adb://a:1x",
        "adb://a:", "adb://a b:1", "adb://[::1", "adb://[::1]x", "adb://::1", "adb://[]:1"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
  EXPECT_EQ(parse_address("nonsense").error().code, Errc::kBadAddress);
}

TEST(InstanceId, Rules) {
  EXPECT_TRUE(is_instance_id("a"));
  EXPECT_TRUE(is_instance_id("Phone_7-b"));
  EXPECT_TRUE(is_instance_id(std::string(32, 'x')));
  EXPECT_FALSE(is_instance_id(std::string(33, 'x')));
  EXPECT_FALSE(is_instance_id(""));
  EXPECT_FALSE(is_instance_id("a.b"));
  EXPECT_FALSE(is_instance_id("a\xC3\xA4"));
}

TEST(Labels, Rules) {
  EXPECT_TRUE(are_labels({}));
  EXPECT_TRUE(are_labels({{"rack", "r-7.b"}, {std::string(64, 'k'), std::string(64, 'V')}}));
  for (const std::string& bad : {std::string(), std::string(65, 'x'), std::string("a b"), std::string("a=b"),
                                 std::string("a\nb"), std::string("\xC3\xA4")}) {
    EXPECT_FALSE(are_labels({{bad, "value"}})) << bad;
    EXPECT_FALSE(are_labels({{"key", bad}})) << bad;
  }
  store::Labels many;
  for (int i = 0; i < 16; ++i) many.emplace("key" + std::to_string(i), "value");
  EXPECT_TRUE(are_labels(many));
  many.emplace("key", "value");
  EXPECT_FALSE(are_labels(many));
}

}  // namespace
}  // namespace drover::fleet
