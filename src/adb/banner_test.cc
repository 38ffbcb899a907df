#include "adb/banner.h"

#include <gtest/gtest.h>

namespace drover::adb {
namespace {

TEST(BannerTest, OfANewPhone) {
  const auto banner = parse_device_banner(
      "device::ro.product.name=redroid_x86_64;ro.product.model=redroid14_x86_64;ro.product.device=redroid_"
      "x86_64;"
      "features=sendrecv_v2_brotli,shell_v2,cmd");
  ASSERT_TRUE(banner);
  EXPECT_EQ(banner->type, "device");
  EXPECT_EQ(banner->product, "redroid_x86_64");
  EXPECT_EQ(banner->model, "redroid14_x86_64");
  EXPECT_EQ(banner->device, "redroid_x86_64");
  EXPECT_TRUE(banner->shell_v2);
}

TEST(BannerTest, OfAnOldPhone) {
  const auto banner = parse_device_banner(std::string_view(
      "device::ro.product.name=hammerhead;ro.product.model=Nexus 5;ro.product.device=hammerhead;\0", 83));
  ASSERT_TRUE(banner);
  EXPECT_EQ(banner->model, "Nexus 5");
  EXPECT_FALSE(banner->shell_v2);
}

TEST(BannerTest, ShellV2IsAWholeWord) {
  EXPECT_FALSE(parse_device_banner("device::features=shell_v20,xshell_v2")->shell_v2);
  EXPECT_TRUE(parse_device_banner("device::features=cmd,shell_v2")->shell_v2);
  EXPECT_FALSE(parse_device_banner("device::ro.product.model=shell_v2")->shell_v2);
}

TEST(BannerTest, RecoveryHasAType) { EXPECT_EQ(parse_device_banner("recovery::")->type, "recovery"); }

TEST(BannerTest, RefusesWhatIsNoPhone) {
  EXPECT_FALSE(parse_device_banner(""));
  EXPECT_FALSE(parse_device_banner("host::features=shell_v2"));
  EXPECT_FALSE(parse_device_banner("devices::"));
  EXPECT_FALSE(parse_device_banner(std::string(4096, ':')));
}

TEST(BannerTest, ValuesComeOutClean) {
  const auto banner = parse_device_banner("device::ro.product.model=a\x1b[31m\xff\n;ro.product.name=" +
                                          std::string(4000, 'n') + ";;=;x;ro.product.device");
  ASSERT_TRUE(banner);
  EXPECT_EQ(banner->model, "a?[31m\xEF\xBF\xBD?");
  EXPECT_EQ(banner->product.size(), 128U);
  EXPECT_EQ(banner->device, "");
}

TEST(BannerTest, OursListsShellV2Only) { EXPECT_EQ(host_banner(), "host::features=shell_v2"); }

}  // namespace
}  // namespace drover::adb
