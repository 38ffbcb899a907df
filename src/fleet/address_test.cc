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

}  // namespace
}  // namespace drover::fleet
