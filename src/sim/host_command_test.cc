#include "sim/host_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "sim/test_fleet.h"
#include "sim/test_host.h"

namespace drover::sim {
namespace {

class HostShellTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fleet_.ok()) << fleet_.error().message;
    host_ = std::make_unique<TestHost>(fleet_.address(1));
    ASSERT_TRUE(host_->handshake());
  }

  // Opens `first`, then a print of the pid, then `command`, and returns the pid once it is printed.
  int begin(std::string_view command, std::string_view first = ":") {
    host_->open("shell,v2,raw:" + std::string(first) + ";echo $$;" + std::string(command));
    EXPECT_EQ(host_->receive()->header.command, adb::kOkay);
    const auto write = host_->receive();
    if (!write) return -1;
    stream_ = write->header;
    host_->send(adb::kOkay, write->header.arg1, write->header.arg0);
    ShellResult result;
    TestHost::cut(write->payload, result);
    return std::stoi(result.out);
  }

  TestFolder folder_;
  TestFleet fleet_{SimOptions{.phones = 2, .shell = ShellKind::kHost, .state_dir = folder_.file("state")}};
  std::unique_ptr<TestHost> host_;
  adb::Header stream_;
};

TEST_F(HostShellTest, RunsARealShellInThePhonesFolder) {
  const ShellResult result = host_->shell("echo out; echo err >&2; pwd; printf 'a\\nb\\n' | wc -l; exit 9");
  EXPECT_THAT(result.out, testing::MatchesRegex("out\n.*/state/phone-1\n2\n"));
  EXPECT_EQ(result.err, "err\n");
  EXPECT_EQ(result.exit_code, 9);
}

TEST_F(HostShellTest, AKilledShellsExitCodeHasTheSignal) {
  EXPECT_EQ(host_->shell("kill -TERM $$").exit_code, 128 | SIGTERM);
}

TEST_F(HostShellTest, ItsProcessGroupIsItsOwn) {
  const int pid = begin("sleep 100 & wait");
  ASSERT_GT(pid, 0);
  EXPECT_EQ(::getpgid(pid), pid);
  EXPECT_EQ(::getsid(pid), pid);
  TestHost killer(fleet_.address(1));
  ASSERT_TRUE(killer.handshake());
  EXPECT_EQ(killer.shell("kill -KILL -" + std::to_string(pid)).exit_code, 0);
  EXPECT_EQ(host_->finish().exit_code, 137);
  EXPECT_EQ(fleet_.stats().running, 0U);
}

TEST_F(HostShellTest, TheShellGetsHangupWhenTheHostCloses) {
  begin("while :; do sleep 0.01; done", "trap 'echo hup >hup; exit' HUP");
  host_->send(adb::kClse, stream_.arg1, stream_.arg0);
  EXPECT_TRUE(fleet_.reaches([](const SimStats& s) { return s.running == 0; }));
  EXPECT_EQ(folder_.read("state/phone-1/hup"), "hup\n");
}

TEST_F(HostShellTest, NoZombieIsLeft) {
  const int pid = std::stoi(host_->shell("echo $$").out);
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(HostShellTest, LargeOutputAndInput) {
  EXPECT_EQ(host_->shell("head -c 3000000 /dev/zero").out.size(), 3'000'000U);
  const std::uint32_t id = host_->open("shell,v2,raw:wc -c");
  const auto okay = host_->receive();
  const std::string data(300'000, 'x');
  std::string packet("\0", 1);
  const auto size = static_cast<std::uint32_t>(data.size());
  packet.append(reinterpret_cast<const char*>(&size), 4).append(data);
  host_->send(adb::kWrte, id, okay->header.arg0, packet);
  host_->send(adb::kWrte, id, okay->header.arg0, std::string("\4\0\0\0\0", 5));
  EXPECT_EQ(host_->finish().out, "300000\n");
}

TEST_F(HostShellTest, InputThatNobodyReadsIsLostWithoutHarm) {
  const std::uint32_t id = host_->open("shell,v2,raw:exec </dev/null; sleep 0.05; echo done");
  const auto okay = host_->receive();
  for (int i = 0; i < 3; ++i)
    host_->send(adb::kWrte, id, okay->header.arg0, std::string("\0\4\0\0\0abcd", 9));
  EXPECT_EQ(host_->finish().out, "done\n");
}

TEST_F(HostShellTest, AnExecServiceMergesBoth) {
  host_->open("exec:echo a; echo b >&2");
  std::string bytes;
  while (const auto packet = host_->receive()) {
    if (packet->header.command == adb::kClse) break;
    bytes += packet->payload;
    if (packet->header.command == adb::kWrte)
      host_->send(adb::kOkay, packet->header.arg1, packet->header.arg0);
  }
  EXPECT_EQ(bytes, "a\nb\n");
}

TEST(HostShell, NothingIsLeftWhenTheSimulatorEnds) {
  const TestFolder folder;
  int pid = -1;
  {
    TestFleet fleet(SimOptions{.phones = 1, .shell = ShellKind::kHost, .state_dir = folder.file("state")});
    TestHost host(fleet.address(0));
    ASSERT_TRUE(host.handshake());
    host.open("shell,v2,raw:echo $$; sleep 100 & wait");
    ASSERT_EQ(host.receive()->header.command, adb::kOkay);
    ShellResult result;
    TestHost::cut(host.receive()->payload, result);
    pid = std::stoi(result.out);
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

}  // namespace
}  // namespace drover::sim
