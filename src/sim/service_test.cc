#include "sim/service.h"

#include <gtest/gtest.h>

#include <string>

namespace drover::sim {
namespace {

TEST(Service, Shells) {
  const auto v2 = parse_service(std::string_view("shell,v2,raw:echo a:b\0", 22), false);
  ASSERT_TRUE(v2);
  EXPECT_EQ(v2->framing, Framing::kShellV2);
  EXPECT_EQ(v2->command, "echo a:b");
  EXPECT_EQ(parse_service("shell,v2,TERM=xterm,raw:x", false)->framing, Framing::kShellV2);
  EXPECT_EQ(parse_service("shell:x", false)->framing, Framing::kRaw);
  EXPECT_EQ(parse_service("shell,pty:x", false)->framing, Framing::kTerminal);
  EXPECT_EQ(parse_service("exec:x", false)->framing, Framing::kRaw);
}

TEST(Service, ALegacyPhoneHasOnlyATerminal) {
  EXPECT_EQ(parse_service("shell:x", true)->framing, Framing::kTerminal);
  EXPECT_EQ(parse_service("exec:x", true)->framing, Framing::kRaw);
  EXPECT_FALSE(parse_service("shell,v2,raw:x", true));
}

TEST(Service, WhatIsRefused) {
  for (const char* text :
       {"", "shell", "shell:", "shell,v2,raw:", "exec:", "sync:", "shellx:y", "framebuffer:"}) {
    EXPECT_FALSE(parse_service(text, false)) << text;
  }
}

TEST(Service, Reboot) { EXPECT_EQ(parse_service("reboot:", false)->kind, Service::kReboot); }

}  // namespace
}  // namespace drover::sim
