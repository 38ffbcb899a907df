#include "adb/shell_stream.h"

#include <gtest/gtest.h>

#include "adb/shell_command.h"
#include "adb/testing/session_fixture.h"

namespace drover::adb {
namespace {

using ShellStreamTest = SessionFixture;

TEST_F(ShellStreamTest, AShortCommandCostsTwoSends) {
  go_online();
  Notes notes;
  auto shell = start_shell(*session, "echo hi", notes);
  EXPECT_EQ(outputs, 1);
  const SentPacket open = take().at(0);
  EXPECT_EQ(open.payload, shell_v2_service("echo hi") + '\0');
  EXPECT_EQ(open.header.arg1, 0U);
  const std::uint32_t id = open.header.arg0;
  received = session->receive(packet(kOkay, 77, id) +
                              packet(kWrte, 77, id,
                                     shell_v2_packet(1, "drover:1234\nhi\n") + shell_v2_packet(2, "oops\n") +
                                         shell_v2_packet(3, "\5")));
  ASSERT_TRUE(received);
  EXPECT_EQ(outputs, 1) << "the answers wait for the end of receive()";
  expect_sent({{kOkay, id, 77}, {kClse, id, 77}});
  ASSERT_TRUE(notes.end);
  EXPECT_EQ(notes.end->exit_code, 5);
  EXPECT_FALSE(notes.end->why);
  EXPECT_EQ(notes.out, "hi\n");
  EXPECT_EQ(notes.err, "oops\n");
  phone(kClse, 77, id);
  phone(kClse, 0, id);
  EXPECT_TRUE(received);
  EXPECT_TRUE(take().empty()) << "CLSE is not answered twice";
}

TEST_F(ShellStreamTest, EveryPieceIsAcknowledged) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 5);
  const std::string bytes = shell_v2_packet(1, "drover:99\nabc") + shell_v2_packet(2, "err") +
                            shell_v2_packet(3, std::string(1, '\0'));
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> wanted;
  for (const char c : bytes) {
    phone(kWrte, 5, local, std::string(1, c));
    wanted.emplace_back(kOkay, local, 5);
  }
  wanted.emplace_back(kClse, local, 5);
  expect_sent(wanted);
  EXPECT_EQ(notes.out, "abc");
  EXPECT_EQ(notes.err, "err");
  EXPECT_EQ(notes.end->exit_code, 0);
}

TEST_F(ShellStreamTest, ClosedWithoutExitCodeIsUnknown) {
  for (const std::uint32_t by : {0U, 9U}) {  // old adbd closes with 0 in place of its id
    go_online();
    Notes notes;
    const auto shell = open_shell(notes, 9);
    phone(kWrte, 9, local, shell_v2_packet(1, "drove"));
    take();
    phone(kClse, by, local);
    ASSERT_TRUE(notes.end);
    EXPECT_EQ(notes.end->exit_code, std::nullopt);
    EXPECT_EQ(notes.why(), Errc::kClosed);
    EXPECT_TRUE(notes.end->may_have_begun);
    EXPECT_EQ(notes.out, "drove") << "it did not become the process group's line";
    expect_sent({{kClse, local, 9}});
  }
}

TEST_F(ShellStreamTest, DestroyedShellHangsUp) {
  go_online();
  Notes notes;
  auto shell = open_shell(notes, 3);
  shell.reset();
  expect_sent({{kClse, local, 3}});
  EXPECT_FALSE(notes.end);
}

TEST_F(ShellStreamTest, GarbageInShellV2EndsTheShellOnly) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 4);
  phone(kWrte, 4, local, "this is not shell_v2");
  EXPECT_TRUE(received);
  EXPECT_EQ(notes.why(), Errc::kProtocol);
  EXPECT_TRUE(notes.end->may_have_begun);
  expect_sent({{kOkay, local, 4}, {kClse, local, 4}});
}

TEST_F(ShellStreamTest, KillGoesToTheGroupInASecondStream) {
  go_online();
  Notes notes;
  auto shell = open_shell(notes, 1);
  const std::uint32_t main = local;
  phone(kWrte, 1, main, shell_v2_packet(1, "drover:321\n"));
  take();
  shell->kill();
  shell->kill();
  const std::vector<SentPacket> sent = take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].payload, kill_service(321, true) + '\0');
  const std::uint32_t killer = sent[0].header.arg0;
  phone(kOkay, 2, killer);
  phone(kWrte, 1, main, shell_v2_packet(3, "\x8f"));
  EXPECT_EQ(notes.end->exit_code, 0x8f);
  shell.reset();
  expect_sent({{kOkay, main, 1}, {kClse, main, 1}});
  // KILL is still to come, so that stream lives on.
  phone(kWrte, 2, killer, shell_v2_packet(3, std::string(1, '\0')));
  expect_sent({{kOkay, killer, 2}});
  phone(kClse, 2, killer);
  expect_sent({{kClse, killer, 2}});
  EXPECT_EQ(session->next_deadline(), SteadyTime::max());
}

TEST_F(ShellStreamTest, KillBeforeTheGroupIsKnownWaitsForIt) {
  go_online();
  Notes notes;
  const auto shell = start_shell(*session, "true", notes);
  local = take().at(0).header.arg0;
  shell->kill();
  EXPECT_TRUE(take().empty());
  phone(kOkay, 1, local);
  phone(kWrte, 1, local, shell_v2_packet(1, "drover:3"));
  expect_sent({{kOkay, local, 1}});
  phone(kWrte, 1, local, shell_v2_packet(1, "22\n"));
  expect_sent({{kOkay, local, 1}, {kOpen, local + 1, 0}});
}

TEST_F(ShellStreamTest, UnansweredKillTimesOut) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 1);
  phone(kWrte, 1, local, shell_v2_packet(1, "drover:321\n"));
  shell->kill();
  const std::uint32_t killer = take().back().header.arg0;
  phone(kOkay, 2, killer);
  clock.now += Millis(4'999);
  EXPECT_TRUE(session->expire(clock.now));
  EXPECT_FALSE(notes.end);
  clock.now += Millis(1);
  EXPECT_TRUE(session->expire(clock.now));
  EXPECT_EQ(notes.why(), Errc::kTimeout);
  expect_sent({{kClse, local, 1}});
  clock.now += Millis(5'000);
  EXPECT_TRUE(session->expire(clock.now));
  expect_sent({{kClse, killer, 2}});
  EXPECT_EQ(session->next_deadline(), SteadyTime::max());
}

// The network may be slow, and the command begin only when its end has been told.
TEST_F(ShellStreamTest, AKillDoesNotEndWhatMayStillBegin) {
  go_online();
  Notes notes;
  const auto shell = start_shell(*session, "true", notes);
  take();
  shell->kill();
  clock.now += Millis(9'999);
  EXPECT_TRUE(session->expire(clock.now));
  EXPECT_FALSE(notes.end);
  clock.now += Millis(1);
  const auto expired = session->expire(clock.now);
  ASSERT_FALSE(expired) << "the connection is closed, and what is on its way is dropped";
  session->end(expired.error().code);
  EXPECT_EQ(notes.why(), Errc::kTimeout);
}

TEST_F(ShellStreamTest, AKillThatWaitedForTheBeginningTimesOut) {
  go_online();
  Notes notes;
  const auto shell = start_shell(*session, "true", notes);
  local = take().at(0).header.arg0;
  shell->kill();
  clock.now += Millis(5'000);
  EXPECT_TRUE(session->expire(clock.now));
  phone(kOkay, 1, local);
  EXPECT_FALSE(notes.end);
  clock.now += Millis(5'000);
  EXPECT_TRUE(session->expire(clock.now));
  EXPECT_EQ(notes.why(), Errc::kTimeout);
  expect_sent({{kClse, local, 1}});
}

TEST_F(ShellStreamTest, KillWithoutAGroupHangsUp) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 1);
  phone(kWrte, 1, local, shell_v2_packet(1, "drover:1\nI am a phone of my own mind"));
  EXPECT_EQ(notes.out, "drover:1\nI am a phone of my own mind");
  take();
  shell->kill();
  EXPECT_FALSE(notes.end) << "not from inside kill()";
  EXPECT_LE(wake, clock.now);
  EXPECT_TRUE(session->expire(clock.now));
  EXPECT_EQ(notes.why(), Errc::kTimeout);
  expect_sent({{kClse, local, 1}});
}

TEST_F(ShellStreamTest, ShellMayBeDestroyedInEveryEvent) {
  go_online();
  Notes out, err, end;
  auto shell = open_shell(out, 1);
  out.during_output = [&] { shell.reset(); };
  phone(kWrte, 1, local,
        shell_v2_packet(1, "drover:5\nx") + shell_v2_packet(1, "y") + shell_v2_packet(3, "\1"));
  EXPECT_EQ(out.out, "x");
  EXPECT_FALSE(out.end);
  shell = open_shell(err, 2);
  err.during_output = [&] { shell.reset(); };
  phone(kWrte, 2, local, shell_v2_packet(2, "x") + shell_v2_packet(2, "y"));
  EXPECT_EQ(err.err, "x");
  EXPECT_FALSE(err.end);
  shell = open_shell(end, 3);
  end.during_end = [&] { shell.reset(); };
  phone(kWrte, 3, local, shell_v2_packet(3, "\1") + shell_v2_packet(1, "late"));
  EXPECT_EQ(end.end->exit_code, 1);
  EXPECT_EQ(end.out, "");
}

TEST_F(ShellStreamTest, ShellMayBeDestroyedInOutputThatWasHeldBack) {
  go_online();
  Notes notes;
  auto shell = open_shell(notes, 1);
  notes.during_output = [&] { shell.reset(); };
  phone(kWrte, 1, local, shell_v2_packet(1, "drov") + shell_v2_packet(3, "\1"));
  EXPECT_EQ(notes.out, "drov");
  EXPECT_FALSE(notes.end);
}

TEST_F(ShellStreamTest, LegacyPhone) {
  go_online(kOldBanner, 0x01000000);
  Notes notes;
  const auto shell = open_shell(notes, 1);
  const std::size_t at = opened.find("drover-");
  ASSERT_NE(at, std::string::npos);
  const std::string marker = opened.substr(at, 24);
  EXPECT_EQ(opened, legacy_shell_service("true", marker) + '\0');
  for (const char c : "drover:77\r\none\r\n" + marker + "4\r\n") phone(kWrte, 1, local, std::string(1, c));
  EXPECT_EQ(notes.out, "one\n");
  EXPECT_FALSE(notes.end) << "only the stream's end makes it the last line";
  phone(kClse, 0, local);
  EXPECT_EQ(notes.end->exit_code, 4);
  EXPECT_FALSE(notes.end->why);
}

TEST_F(ShellStreamTest, LegacyWithoutMarkerIsUnknown) {
  go_online(kOldBanner);
  Notes notes;
  const auto shell = open_shell(notes, 1);
  phone(kWrte, 1, local, "sh: syntax error\r\ndrover-");
  phone(kClse, 1, local);
  EXPECT_EQ(notes.out, "sh: syntax error\ndrover-");
  EXPECT_EQ(notes.end->exit_code, std::nullopt);
  EXPECT_EQ(notes.why(), Errc::kClosed);
}

TEST_F(ShellStreamTest, LegacyKill) {
  go_online(kOldBanner);
  Notes notes;
  const auto shell = open_shell(notes, 1);
  phone(kWrte, 1, local, "drover:77\r\n");
  take();
  shell->kill();
  EXPECT_EQ(take().at(0).payload, kill_service(77, false) + '\0');
}

TEST_F(ShellStreamTest, LargePacketInPieces) {
  go_online();
  Notes notes;
  auto shell = open_shell(notes, 1);
  const std::string bytes = packet(kWrte, 1, local, shell_v2_packet(1, std::string(200'000, 'x')));
  for (std::size_t i = 0; i < bytes.size(); i += 4096) received = session->receive(bytes.substr(i, 4096));
  EXPECT_EQ(notes.out.size(), 200'000U);
  take();
  phone(kWrte, 1, local, shell_v2_packet(3, "\1"));
  take();
  EXPECT_TRUE(session->output().empty());
}

}  // namespace
}  // namespace drover::adb
