// The faults, as a host meets them.
#include "sim/handset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/control.h"
#include "sim/test_fleet.h"
#include "sim/test_host.h"

namespace drover::sim {
namespace {

class FaultTest : public testing::Test {
 protected:
  void give(std::string_view fault) { fleet_.set_fault(0, fault); }
  std::string address() const { return fleet_.address(0); }

  // A phone with `fault` after the handshake, running a command.
  ShellResult shell_with(std::string_view fault, std::string_view command) {
    give(fault);
    if (!host().handshake()) return {};
    return host().shell(command);
  }
  TestHost& host() {
    if (!host_) host_ = std::make_unique<TestHost>(address());
    return *host_;
  }

  TestFleet fleet_{2};

 private:
  std::unique_ptr<TestHost> host_;
};

TEST_F(FaultTest, OtherPhonesAreWell) {
  give("silent");
  TestHost other(fleet_.address(1));
  ASSERT_TRUE(other.handshake());
  EXPECT_EQ(other.shell("echo a").out, "a\n");
}

TEST_F(FaultTest, Silent) {
  give("silent");
  host().set_patience(100);
  EXPECT_TRUE(host().connected());
  EXPECT_FALSE(host().handshake());
  EXPECT_FALSE(host().ended());
  fleet_.clear(0);
  EXPECT_FALSE(host().receive());
  EXPECT_TRUE(host().ended());
  TestHost again(address());
  EXPECT_TRUE(again.handshake());
}

TEST_F(FaultTest, AConnectedPhoneFallsSilent) {
  ASSERT_TRUE(host().handshake());
  give("silent");
  host().set_patience(100);
  host().open("shell,v2,raw:echo");
  EXPECT_FALSE(host().receive());
  EXPECT_FALSE(host().ended());
  EXPECT_EQ(fleet_.stats().commands, 0U);
}

TEST_F(FaultTest, Slow) {
  give("slow:120");
  ASSERT_TRUE(host().handshake());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(host().shell("echo a").out, "a\n");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(240));  // OPEN, then OKAY
}

TEST_F(FaultTest, HangsUntilKilled) {
  give("hang");
  ASSERT_TRUE(host().handshake());
  host().open("shell,v2,raw:echo drover:$$");
  ASSERT_EQ(host().receive()->header.command, adb::kOkay);
  const auto write = host().receive();
  ASSERT_TRUE(write);
  host().send(adb::kOkay, write->header.arg1, write->header.arg0);
  ShellResult begun;
  TestHost::cut(write->payload, begun);
  EXPECT_FALSE(begun.exit_code);
  TestHost killer(address());
  ASSERT_TRUE(killer.handshake());
  EXPECT_EQ(killer.shell("kill -KILL -" + begun.out.substr(7)).exit_code, 0);
  EXPECT_EQ(host().finish().exit_code, 137);
}

TEST_F(FaultTest, AHungCommandStaysWhenItsHostLeaves) {
  give("hang");
  {
    TestHost leaving(address());
    ASSERT_TRUE(leaving.handshake());
    leaving.open("shell,v2,raw:true");
    ASSERT_TRUE(leaving.receive());
  }
  EXPECT_TRUE(fleet_.reaches([](const SimStats& s) { return s.connections == 0; }));
  EXPECT_EQ(fleet_.stats().running, 1U);
  give("reboot:0.02");
  EXPECT_EQ(fleet_.stats().running, 0U);
}

TEST_F(FaultTest, DropsAtOnce) {
  const ShellResult result = shell_with("drop", "echo a");
  EXPECT_FALSE(result.closed);
  EXPECT_TRUE(host().ended());
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(fleet_.stats().commands, 1U);
}

TEST_F(FaultTest, DropsAfterSomeOutput) {
  const ShellResult result = shell_with("drop:1000", "gen 100000");
  EXPECT_FALSE(result.closed);
  EXPECT_TRUE(host().ended());
  EXPECT_EQ(result.out.size(), 995U);  // and five bytes of packet header
  EXPECT_FALSE(result.exit_code);
}

TEST_F(FaultTest, DropsAfterAllOutputRatherThanSendAnExitCode) {
  const ShellResult result = shell_with("drop:1000", "echo a");
  EXPECT_EQ(result.out, "a\n");
  EXPECT_FALSE(result.exit_code);
  EXPECT_TRUE(host().ended());
}

TEST_F(FaultTest, RefusesEveryKey) {
  give("refuse-key");
  ASSERT_EQ(host().greet()->header.command, adb::kAuth);
  for (int i = 0; i < 3; ++i) {
    host().send(adb::kAuth, adb::kAuthSignature, 0, std::string(256, 'x'));
    EXPECT_EQ(host().receive()->header.command, adb::kAuth);
  }
  host().send(adb::kAuth, adb::kAuthPublicKey, 0, "key");
  host().set_patience(50);
  EXPECT_FALSE(host().receive());
  EXPECT_FALSE(host().ended());
}

TEST_F(FaultTest, Garbage) {
  give("garbage");
  EXPECT_FALSE(host().greet());
  EXPECT_TRUE(host().broken());
}

TEST_F(FaultTest, GarbageInAStream) {
  const ShellResult result = shell_with("garbage-stream", "echo a");
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(host().broken());
}

TEST_F(FaultTest, Oversize) {
  shell_with("oversize", "echo a");
  EXPECT_TRUE(host().broken());
}

TEST_F(FaultTest, BadMagic) {
  shell_with("bad-magic", "echo a");
  EXPECT_TRUE(host().broken());
}

TEST_F(FaultTest, NoExit) {
  const ShellResult result = shell_with("no-exit", "echo a");
  EXPECT_TRUE(result.closed);
  EXPECT_EQ(result.out, "a\n");
  EXPECT_FALSE(result.exit_code);
}

TEST_F(FaultTest, DoubleClose) {
  const ShellResult result = shell_with("double-close", "echo a");
  EXPECT_EQ(result.exit_code, 0);
  const auto second = host().receive();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->header.command, adb::kClse);
}

TEST_F(FaultTest, Endless) {
  give("endless");
  ASSERT_TRUE(host().handshake());
  host().open("shell,v2,raw:true");
  ASSERT_EQ(host().receive()->header.command, adb::kOkay);
  std::size_t total = 0;
  while (total < 1'000'000) {
    const auto write = host().receive();
    ASSERT_TRUE(write);
    ASSERT_EQ(write->header.command, adb::kWrte);
    total += write->payload.size();
    host().send(adb::kOkay, write->header.arg1, write->header.arg0);
  }
}

TEST_F(FaultTest, RefusesToOpenAndBeginsNothing) {
  give("refuse-open");
  ASSERT_TRUE(host().handshake());
  host().open("shell,v2,raw:true");
  const auto answer = host().receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.command, adb::kClse);
  EXPECT_EQ(answer->header.arg0, 0U);
  EXPECT_EQ(fleet_.stats().commands, 0U);
}

TEST_F(FaultTest, AbsentIsReset) {
  give("absent");
  EXPECT_FALSE(host().handshake());
  EXPECT_TRUE(host().ended());
}

TEST_F(FaultTest, ReturnsFromARebootWithAnotherBootId) {
  ASSERT_TRUE(host().handshake());
  const std::string before = host().shell("cat /proc/sys/kernel/random/boot_id").out;
  fleet_.clock().stop();
  give("reboot:0.1");
  EXPECT_FALSE(host().receive());
  EXPECT_TRUE(host().ended());
  EXPECT_FALSE(TestHost(address()).handshake());
  fleet_.clock().go();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  std::string after;
  while (after.empty() && std::chrono::steady_clock::now() < give_up) {
    TestHost back(address());
    if (back.handshake()) after = back.shell("cat /proc/sys/kernel/random/boot_id").out;
  }
  EXPECT_EQ(after.size(), before.size());
  EXPECT_NE(after, before);
}

TEST_F(FaultTest, TheRebootCommandAnswersBeforeItActs) {
  ASSERT_TRUE(host().handshake());
  host().open("shell,v2,raw:reboot");
  ASSERT_EQ(host().receive()->header.command, adb::kOkay);
  ASSERT_EQ(host().receive()->header.command, adb::kWrte);
  EXPECT_FALSE(host().receive());
  EXPECT_TRUE(host().ended());
}

TEST_F(FaultTest, Flaps) {
  give("flap:0.05");
  for (int i = 0; i < 3; ++i) {
    TestHost host(address());
    ASSERT_TRUE(host.connected());
    host.handshake();
    while (host.receive()) continue;
    EXPECT_TRUE(host.ended());
  }
}

TEST_F(FaultTest, TheLegacyMarkerTellsTheExitCode) {
  give("legacy");
  ASSERT_TRUE(host().handshake());
  host().open("shell:exec </dev/null;echo drover:$$;trap 'echo marker:$?' 0\n(:;exit 5\n)");
  std::string bytes;
  while (const auto packet = host().receive()) {
    if (packet->header.command == adb::kClse) break;
    bytes += packet->payload;
    if (packet->header.command == adb::kWrte)
      host().send(adb::kOkay, packet->header.arg1, packet->header.arg0);
  }
  EXPECT_THAT(bytes, testing::MatchesRegex("drover:[0-9]+\r\nmarker:5\r\n"));
}

TEST(Control, TellsARunningSimulator) {
  const TestFolder folder;
  const std::string path = folder.file("control");
  TestFleet fleet(SimOptions{.phones = 10, .control = path});
  ASSERT_TRUE(fleet.ok()) << fleet.error().message;
  EXPECT_TRUE(send_control(path, "fault 0-1 no-exit"));
  TestHost host(fleet.address(1));
  ASSERT_TRUE(host.handshake());
  EXPECT_FALSE(host.shell("echo").exit_code);
  EXPECT_TRUE(send_control(path, "clear 1 no-exit"));
  EXPECT_EQ(host.shell("exit 3").exit_code, 3);
  EXPECT_TRUE(send_control(path, "clear all"));
  const auto stats = send_control(path, "stats");
  ASSERT_TRUE(stats);
  EXPECT_EQ(*stats, "phones=10 connections=1 streams=0 running=0 accepted=1 handshakes=1 commands=2");
}

TEST(Control, SaysWhatIsWrong) {
  const TestFolder folder;
  const std::string path = folder.file("control");
  TestFleet fleet(SimOptions{.phones = 1, .control = path});
  for (const char* line : {"", "nope", "fault", "fault 0", "fault x hang", "fault 0 nope", "clear",
                           "clear 0 nope", "stats now", "fault 0 hang more"}) {
    const auto answer = send_control(path, line);
    ASSERT_FALSE(answer) << line;
    EXPECT_EQ(answer.error().code, Errc::kBadCommand) << line;
  }
  EXPECT_EQ(send_control(folder.file("other"), "stats").error().code, Errc::kControl);
}

TEST(Control, ASocketInUseIsNotTakenAway) {
  const TestFolder folder;
  const std::string path = folder.file("control");
  {
    TestFleet one(SimOptions{.phones = 1, .control = path});
    TestFleet two(SimOptions{.phones = 1, .control = path});
    ASSERT_FALSE(two.ok());
    EXPECT_EQ(two.error().code, Errc::kFile);
    EXPECT_TRUE(send_control(path, "stats"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace drover::sim
