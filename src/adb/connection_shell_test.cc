#include "adb/connection.h"

#include <gtest/gtest.h>

#include <future>

#include "adb/shell_command.h"
#include "adb/testing/connection_fixture.h"

namespace drover::adb {
namespace {

using ConnectionShellTest = ConnectionFixture;

TEST_F(ConnectionShellTest, RunsACommand) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    const DevicePacket open = phone.expect(kOpen);
    EXPECT_EQ(open.payload, shell_v2_service("id; true") + '\0');
    EXPECT_EQ(open.header.check, 0U);
    const std::uint32_t id = open.header.arg0;
    phone.send(kOkay, 9, id);
    phone.send(kWrte, 9, id, shell_v2_packet(1, "drover:100\nuid=0\n"));
    EXPECT_EQ(phone.expect(kOkay).header.arg1, 9U);
    phone.send(kWrte, 9, id, shell_v2_packet(2, "warning\n") + shell_v2_packet(3, "\x03"));
    phone.expect(kOkay);
    EXPECT_EQ(phone.expect(kClse).header.arg0, id);
    phone.send(kClse, 9, id);
    phone.send(kClse, 0, id);  // twice
    phone.wait_closed();
  });
  ASSERT_TRUE(go_online(device));
  Notes notes;
  const auto job = shell(notes, "id; true");
  ASSERT_TRUE(wait_end(notes));
  EXPECT_EQ(notes.out, "uid=0\n");
  EXPECT_EQ(notes.err, "warning\n");
  EXPECT_EQ(notes.end->exit_code, 3);
  EXPECT_FALSE(closed);
  connection.reset();
}

TEST_F(ConnectionShellTest, OldPhoneGetsChecksumsAndSmallPackets) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online("device::ro.product.model=Old;", kVersionMin, 4096);
    const DevicePacket open = phone.expect(kOpen);
    EXPECT_EQ(open.payload.size(), 4096U);
    EXPECT_EQ(open.header.check, checksum(open.payload));
    const std::string marker = open.payload.substr(open.payload.find("drover-"), 24);
    const std::uint32_t id = open.header.arg0;
    phone.send(kOkay, 9, id);
    phone.send(kWrte, 9, id, "drover:100\r\nline\r\n" + marker.substr(0, 10));
    phone.expect(kOkay);
    phone.send(kWrte, 9, id, marker.substr(10) + "6\r\n");
    phone.expect(kOkay);
    phone.send(kClse, 0, id);
    phone.expect(kClse);
    phone.wait_closed();
  });
  ASSERT_TRUE(go_online(device));
  Notes notes;
  const auto job = shell(notes, std::string(connection->max_command(), 'x'));
  ASSERT_TRUE(wait_end(notes));
  EXPECT_EQ(notes.out, "line\n");
  EXPECT_EQ(notes.end->exit_code, 6);
  connection.reset();
}

TEST_F(ConnectionShellTest, CommandsThatCannotBeSent) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    EXPECT_EQ(phone.read().header.command, 0U);
  });
  ASSERT_TRUE(go_online(device));
  Notes too_long, with_nul, destroyed, offline;
  const auto a = shell(too_long, std::string(connection->max_command() + 1, 'x'));
  const auto b = shell(with_nul, std::string_view("a\0b", 3));
  auto c = shell(destroyed, std::string_view("\0", 1));
  c.reset();
  EXPECT_FALSE(too_long.end) << "not from inside the call";
  wait_end(too_long);
  wait_end(with_nul);
  EXPECT_EQ(too_long.end->why, std::errc::argument_list_too_long);
  EXPECT_EQ(with_nul.end->why, std::errc::invalid_argument);
  EXPECT_FALSE(with_nul.end->may_have_begun);
  EXPECT_FALSE(destroyed.end);
  connection.reset();
  banner.reset();
  begin(options(1));
  const auto d = shell(offline);
  wait_end(offline);
  EXPECT_EQ(offline.end->why, Errc::kClosed);
  EXPECT_FALSE(offline.end->may_have_begun);
  connection.reset();
}

TEST_F(ConnectionShellTest, PhoneThatGoesAwayInTheMiddle) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    const std::uint32_t id = phone.expect(kOpen).header.arg0;
    phone.send(kOkay, 9, id);
    phone.send(kWrte, 9, id, shell_v2_packet(1, "drover:100\nhalf of it"));
    phone.expect(kOkay);
  });
  ASSERT_TRUE(go_online(device));
  Notes notes;
  notes.during_end = [&] { EXPECT_FALSE(closed) << "shells first"; };
  const auto job = shell(notes);
  ASSERT_TRUE(wait_closed());
  ASSERT_TRUE(notes.end);
  EXPECT_EQ(notes.out, "half of it");
  EXPECT_EQ(notes.end->why, Errc::kClosed);
  EXPECT_TRUE(notes.end->may_have_begun);
  EXPECT_EQ(closed->code, Errc::kClosed);
}

TEST_F(ConnectionShellTest, ProtocolErrorWhileOnline) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    phone.expect(kOpen);
    phone.send_bytes(std::string(24, 'x'));
    phone.wait_closed();
  });
  ASSERT_TRUE(go_online(device));
  Notes notes;
  const auto job = shell(notes);
  ASSERT_TRUE(wait_closed());
  EXPECT_EQ(notes.end->why, Errc::kProtocol);
  EXPECT_EQ(closed->code, Errc::kProtocol);
}

class UnacknowledgedOpenTest : public ConnectionShellTest {
 protected:
  // Until the host gives up on a command that the phone does not acknowledge. The loop stands still until the
  // phone has read the command: what it has not read is lost at the end.
  void run_in_vain(const ScriptedDevice& device, Notes& notes) {
    ConnectionOptions with = options(device.port());
    with.open_timeout = Millis(40);
    begin(std::move(with));
    ASSERT_TRUE(run_until([&] { return banner.has_value(); }));
    const auto job = shell(notes);
    ASSERT_EQ(read.get_future().wait_for(Seconds(10)), std::future_status::ready);
    ASSERT_TRUE(wait_closed());
  }

  std::promise<void> read;
};

TEST_F(UnacknowledgedOpenTest, EndsTheConnection) {
  ScriptedDevice device([&](DeviceSocket& phone) {
    phone.go_online();
    phone.expect(kOpen);
    read.set_value();
    phone.wait_closed();
  });
  Notes notes;
  ASSERT_NO_FATAL_FAILURE(run_in_vain(device, notes));
  EXPECT_EQ(notes.end->why, Errc::kTimeout);
  EXPECT_TRUE(notes.end->may_have_begun);
  EXPECT_EQ(closed->code, Errc::kTimeout);
}

TEST_F(UnacknowledgedOpenTest, IsDroppedOnItsWay) {
  int end = -1;
  {
    ScriptedDevice device([&](DeviceSocket& phone) {
      phone.go_online();
      phone.expect(kOpen);
      read.set_value();
      end = phone.end_of_connection();
    });
    Notes notes;
    ASSERT_NO_FATAL_FAILURE(run_in_vain(device, notes));
  }
  EXPECT_EQ(end, ECONNRESET);
}

TEST_F(ConnectionShellTest, LateOkayOfAShellThatIsGone) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    const std::uint32_t id = phone.expect(kOpen).header.arg0;
    const std::uint32_t next = phone.expect(kOpen).header.arg0;
    phone.send(kOkay, 5, id);
    const DevicePacket close = phone.expect(kClse);
    EXPECT_EQ(close.header.arg0, id);
    EXPECT_EQ(close.header.arg1, 5U);
    phone.send(kOkay, 6, next);
    phone.send(kWrte, 6, next, shell_v2_packet(3, "\x01"));
    phone.wait_closed();
  });
  ASSERT_TRUE(go_online(device));
  Notes gone, kept;
  auto first = shell(gone);
  const auto second = shell(kept);
  first.reset();
  ASSERT_TRUE(wait_end(kept));
  EXPECT_EQ(kept.end->exit_code, 1);
  EXPECT_FALSE(gone.end);
  connection.reset();
}

TEST_F(ConnectionShellTest, KillsTheGroup) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    const std::uint32_t id = phone.expect(kOpen).header.arg0;
    phone.send(kOkay, 5, id);
    phone.send(kWrte, 5, id, shell_v2_packet(1, "drover:4321\nrunning"));
    phone.expect(kOkay);
    const DevicePacket kill = phone.expect(kOpen);
    EXPECT_EQ(kill.payload, kill_service(4321, true) + '\0');
    phone.send(kOkay, 6, kill.header.arg0);
    phone.send(kWrte, 5, id, shell_v2_packet(3, "\x8f"));
    phone.expect(kOkay);
    phone.expect(kClse);
    phone.send(kClse, 6, kill.header.arg0);
    EXPECT_EQ(phone.expect(kClse).header.arg0, kill.header.arg0);
  });
  ASSERT_TRUE(go_online(device));
  Notes notes;
  auto job = shell(notes, "sleep 1000");
  run_until([&] { return !notes.out.empty(); });
  job->kill();
  job->kill();
  notes.during_end = [&] { job.reset(); };
  ASSERT_TRUE(wait_end(notes));
  EXPECT_EQ(notes.end->exit_code, 0x8f);
  wait_closed();
}

TEST_F(ConnectionShellTest, EndlessOutputIsTakenInTurns) {
  constexpr std::size_t kPiece = 100'000;
  ScriptedDevice device([&](DeviceSocket& phone) {
    phone.go_online();
    const std::uint32_t id = phone.expect(kOpen).header.arg0;
    phone.send(kOkay, 5, id);
    phone.send(kWrte, 5, id, shell_v2_packet(1, "drover:4321\n"));
    const std::string packet = shell_v2_packet(1, std::string(kPiece, 'x'));
    while (phone.send(kWrte, 5, id, packet)) {  // and without waiting for any OKAY
    }
  });
  ASSERT_TRUE(go_online(device));
  Notes notes;
  const auto job = shell(notes);
  std::size_t bytes = 0;
  notes.during_output = [&] {
    bytes += notes.out.size();
    notes.out.clear();
  };
  run_until([&] { return bytes > 20 * kPiece; });
  EXPECT_FALSE(notes.end);
  connection.reset();
}

TEST_F(ConnectionShellTest, ManyShellsAtOnce) {
  constexpr int kShells = 200;
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    std::vector<std::uint32_t> ids;
    ids.reserve(kShells);
    for (int i = 0; i < kShells; ++i) ids.push_back(phone.expect(kOpen).header.arg0);
    std::string bytes;
    for (const std::uint32_t id : ids) append_packet(bytes, kOkay, id + 1000, id, {}, false);
    for (std::size_t i = ids.size(); i-- > 0;) {  // the last one first
      const std::string text = "drover:99\n" + std::to_string(i);
      append_packet(bytes, kWrte, ids[i] + 1000, ids[i],
                    shell_v2_packet(1, text) + shell_v2_packet(3, std::string(1, static_cast<char>(i))),
                    false);
    }
    phone.send_bytes(bytes);
    phone.wait_closed();
  });
  ASSERT_TRUE(go_online(device));
  std::vector<Notes> notes(kShells);
  std::vector<std::unique_ptr<Shell>> shells;
  shells.reserve(kShells);
  int ended = 0;
  for (Notes& n : notes) {
    n.during_end = [&] { ++ended; };
    shells.push_back(shell(n));
  }
  run_until([&] { return ended == kShells; });
  for (int i = 0; i < kShells; ++i) {
    EXPECT_EQ(notes[i].out, std::to_string(i));
    EXPECT_EQ(notes[i].end->exit_code, i);
  }
  connection.reset();
}

TEST_F(ConnectionShellTest, NextShellMayBeStartedInTheEndOfTheLast) {
  constexpr int kJobs = 50;
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    for (int i = 0; i < kJobs; ++i) {
      const std::uint32_t id = phone.expect(kOpen).header.arg0;
      phone.send(kOkay, 7, id);
      phone.send(kWrte, 7, id, shell_v2_packet(1, "drover:99\n.") + shell_v2_packet(3, std::string(1, '\0')));
      phone.expect(kOkay);
      phone.expect(kClse);
      phone.send(kClse, 7, id);
    }
    phone.wait_closed();
  });
  ASSERT_TRUE(go_online(device));
  std::vector<Notes> notes(kJobs);
  std::unique_ptr<Shell> current;
  for (int i = 0; i + 1 < kJobs; ++i) {
    notes[i].during_end = [&, i] { current = shell(notes[i + 1]); };
  }
  current = shell(notes[0]);
  run_until([&] { return notes.back().end.has_value(); });
  EXPECT_EQ(notes.back().end->exit_code, 0);
  connection.reset();
}

TEST_F(ConnectionShellTest, PhoneThatDoesNotReadIsNotReadFrom) {
  // Each of its OPENs asks for an answer, which it never fetches: our memory must not grow with that.
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    const std::uint32_t id = phone.expect(kOpen).header.arg0;
    phone.send(kOkay, 5, id);
    std::string bytes;
    for (int i = 0; i < 1000; ++i) append_packet(bytes, kWrte, 5, id, shell_v2_packet(1, "x"), false);
    const timeval brief{.tv_sec = 0, .tv_usec = 200'000};
    phone.set_send_timeout(brief);
    std::size_t sent = 0;
    while (sent < 100'000'000 && phone.send_bytes(bytes)) sent += bytes.size();
    EXPECT_LT(sent, 100'000'000U) << "the host goes on reading";
  });
  ASSERT_TRUE(go_online(device));
  Notes notes;
  const auto job = shell(notes);
  std::size_t bytes = 0;
  notes.during_output = [&] {
    bytes += notes.out.size();
    notes.out.clear();
  };
  wait_closed();
  EXPECT_GT(bytes, 1000U);
}

}  // namespace
}  // namespace drover::adb
