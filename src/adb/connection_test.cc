#include "adb/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <vector>

#include "adb/errc.h"
#include "adb/key.h"
#include "adb/scripted_device.h"
#include "adb/shell_command.h"
#include "base/loop.h"

namespace drover::adb {
namespace {

class FakeKey final : public Key {
 public:
  explicit FakeKey(std::string name) : name_(std::move(name)) {}
  std::string sign(std::string_view token) const override { return name_ + std::string(token); }
  std::string public_line(std::string_view) const override { return {}; }

 private:
  std::string name_;
};

class Notes final : public ShellEvents {
 public:
  void on_output(Output from, std::string_view bytes) override {
    (from == Output::kStdout ? out : err) += bytes;
    if (during_output) during_output();
  }
  void on_end(const ShellEnd& e) override {
    EXPECT_FALSE(end) << "told twice";
    end = e;
    if (during_end) during_end();
  }

  std::string out, err;
  std::optional<ShellEnd> end;
  std::function<void()> during_output, during_end;
};

class ConnectionTest : public testing::Test, private ConnectionEvents {
 protected:
  ConnectionOptions options(std::uint16_t port, std::vector<std::string> keys = {}) {
    std::vector<std::unique_ptr<Key>> ring;
    for (std::string& key : keys) ring.push_back(std::make_unique<FakeKey>(std::move(key)));
    ConnectionOptions result;
    result.host = "127.0.0.1";
    result.port = port;
    result.keys = std::make_shared<KeyRing>(std::move(ring));
    return result;
  }

  void begin(ConnectionOptions with) {
    connection = connect(loop, std::move(with), static_cast<ConnectionEvents&>(*this));
    EXPECT_FALSE(connection->online());
  }

  template <typename Done>
  bool run_until(Done done) {
    const auto limit = std::chrono::steady_clock::now() + Seconds(10);
    while (!done() && std::chrono::steady_clock::now() < limit) loop.context().run_one_for(Millis(100));
    EXPECT_TRUE(done()) << "waited in vain";
    return done();
  }

  bool go_online(const ScriptedDevice& device) {
    begin(options(device.port()));
    return run_until([&] { return banner || closed; }) && banner;
  }

  bool wait_closed() {
    return run_until([&] { return closed.has_value(); });
  }

  // The reason for which a connection with these options ends.
  Errc end_of(ConnectionOptions with) {
    begin(std::move(with));
    if (!wait_closed()) return Errc{};
    EXPECT_FALSE(closed->message.empty());
    return static_cast<Errc>(closed->code.value());
  }

  std::unique_ptr<Shell> shell(Notes& notes, std::string_view command = "true") {
    return connection->shell(command, notes);
  }

  bool wait_end(const Notes& notes) {
    return run_until([&] { return notes.end.has_value(); });
  }

  void on_online(const Banner& b) override {
    EXPECT_FALSE(banner) << "told twice";
    banner = b;
    EXPECT_TRUE(connection->online());
    if (during_online) during_online();
  }
  void on_closed(const Error& why) override {
    EXPECT_FALSE(closed) << "told twice";
    closed = why;
    if (connection) {
      EXPECT_FALSE(connection->online());
    }
    if (during_closed) during_closed();
  }

  Clock clock;
  Loop loop{clock};
  std::unique_ptr<Connection> connection;
  std::optional<Banner> banner;
  std::optional<Error> closed;
  std::function<void()> during_online, during_closed;
};

TEST_F(ConnectionTest, GoesOnlineWithoutAuth) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    phone.wait_closed();
  });
  ASSERT_TRUE(go_online(device));
  EXPECT_EQ(banner->type, "device");
  EXPECT_EQ(banner->model, "Test");
  EXPECT_TRUE(banner->shell_v2);
  EXPECT_EQ(connection->max_command(), max_command_size(256 * 1024, true));
  connection.reset();
  EXPECT_FALSE(closed);
}

TEST_F(ConnectionTest, ResolvesNames) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    phone.wait_closed();
  });
  ConnectionOptions with = options(device.port());
  with.host = "localhost";
  begin(std::move(with));
  run_until([&] { return banner || closed; });
  EXPECT_TRUE(banner);
  connection.reset();
}

TEST_F(ConnectionTest, RightKeyAfterAWrongOne) {
  const std::string first(20, 'a');
  const std::string second(20, 'b');
  ScriptedDevice device([&](DeviceSocket& phone) {
    phone.expect(kCnxn);
    phone.send(kAuth, kAuthToken, 0, first);
    EXPECT_EQ(phone.expect(kAuth).payload, "wrong" + first);
    phone.send(kAuth, kAuthToken, 0, second);
    EXPECT_EQ(phone.expect(kAuth).payload, "right" + second);
    phone.send(kCnxn, kVersionSkipChecksum, 4096, kModernBanner);
    phone.wait_closed();
  });
  begin(options(device.port(), {"wrong", "right"}));
  run_until([&] { return banner || closed; });
  EXPECT_TRUE(banner);
  connection.reset();
}

TEST_F(ConnectionTest, NoKeyLeftIsUnauthorized) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.expect(kCnxn);
    phone.send(kAuth, kAuthToken, 0, std::string(20, 'a'));
    phone.expect(kAuth);
    phone.send(kAuth, kAuthToken, 0, std::string(20, 'b'));
    EXPECT_EQ(phone.read().header.command, 0U) << "no public key is offered";
  });
  EXPECT_EQ(end_of(options(device.port(), {"wrong"})), Errc::kUnauthorized);
}

TEST_F(ConnectionTest, TlsIsNotSpoken) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.expect(kCnxn);
    phone.send(kStls, 0x01000000, 0);
    phone.wait_closed();
  });
  EXPECT_EQ(end_of(options(device.port())), Errc::kTlsRequired);
}

TEST_F(ConnectionTest, RefusedConnection) {
  // A port that was free a moment ago and that nobody listens on: bound, but not listening.
  const int holder = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(holder, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(holder, reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(end_of(options(ntohs(address.sin_port))), Errc::kUnreachable);
  ::close(holder);
}

TEST_F(ConnectionTest, SilentPhoneInHandshake) {
  ScriptedDevice device([](DeviceSocket& phone) { phone.wait_closed(); });
  ConnectionOptions with = options(device.port());
  with.handshake_timeout = Millis(40);
  EXPECT_EQ(end_of(std::move(with)), Errc::kHandshakeTimeout);
}

TEST_F(ConnectionTest, PhoneThatHangsUpInHandshake) {
  ScriptedDevice device([](DeviceSocket& phone) { phone.expect(kCnxn); });
  EXPECT_EQ(end_of(options(device.port())), Errc::kClosed);
}

TEST_F(ConnectionTest, NotAPhone) {
  const Header wrong_magic{.command = kCnxn, .length = 0, .magic = 12345};
  const Header too_long{.command = kCnxn, .length = 4097, .magic = ~static_cast<std::uint32_t>(kCnxn)};
  const Header enormous{.command = kAuth, .length = 0xffffffff, .magic = ~static_cast<std::uint32_t>(kAuth)};
  const auto bytes = [](const Header& header) {
    return std::string(reinterpret_cast<const char*>(&header), sizeof header);
  };
  for (const std::string& text : {std::string("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), bytes(wrong_magic),
                                  bytes(too_long), bytes(enormous), std::string(100'000, '\0')}) {
    closed.reset();
    ScriptedDevice device([&](DeviceSocket& phone) {
      phone.send_bytes(text);
      phone.wait_closed();
    });
    EXPECT_EQ(end_of(options(device.port())), Errc::kProtocol);
  }
}

TEST_F(ConnectionTest, RunsACommand) {
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

TEST_F(ConnectionTest, OldPhoneGetsChecksumsAndSmallPackets) {
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

TEST_F(ConnectionTest, CommandsThatCannotBeSent) {
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

TEST_F(ConnectionTest, PhoneThatGoesAwayInTheMiddle) {
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

TEST_F(ConnectionTest, ProtocolErrorWhileOnline) {
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

TEST_F(ConnectionTest, UnacknowledgedOpen) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    phone.expect(kOpen);
    phone.wait_closed();
  });
  ConnectionOptions with = options(device.port());
  with.open_timeout = Millis(40);
  begin(std::move(with));
  run_until([&] { return banner.has_value(); });
  Notes notes;
  const auto job = shell(notes);
  ASSERT_TRUE(wait_closed());
  EXPECT_EQ(notes.end->why, Errc::kTimeout);
  EXPECT_TRUE(notes.end->may_have_begun);
  EXPECT_EQ(closed->code, Errc::kTimeout);
}

TEST_F(ConnectionTest, LateOkayOfAShellThatIsGone) {
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

TEST_F(ConnectionTest, KillsTheGroup) {
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

TEST_F(ConnectionTest, EndlessOutputIsTakenInTurns) {
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

TEST_F(ConnectionTest, ManyShellsAtOnce) {
  constexpr int kShells = 200;
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    std::vector<std::uint32_t> ids;
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

TEST_F(ConnectionTest, NextShellMayBeStartedInTheEndOfTheLast) {
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

TEST_F(ConnectionTest, ConnectionMayBeDestroyedWhenOnline) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    phone.wait_closed();
  });
  during_online = [&] { connection.reset(); };
  begin(options(device.port()));
  run_until([&] { return banner.has_value(); });
  loop.context().poll();
  EXPECT_FALSE(closed);
}

TEST_F(ConnectionTest, ConnectionMayBeDestroyedWhenClosed) {
  ScriptedDevice device([](DeviceSocket& phone) { phone.go_online(); });
  during_closed = [&] { connection.reset(); };
  begin(options(device.port()));
  EXPECT_TRUE(wait_closed());
}

TEST_F(ConnectionTest, ConnectionMayBeDestroyedInTheEndOfAShell) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    phone.expect(kOpen);
    const std::uint32_t second = phone.expect(kOpen).header.arg0;
    phone.send(kOkay, 7, second);
    phone.send(kWrte, 7, second, shell_v2_packet(3, "\x02"));
    phone.wait_closed();
  });
  ASSERT_TRUE(go_online(device));
  Notes one, two;
  auto first = shell(one);
  auto second = shell(two);
  two.during_end = [&] {
    connection.reset();
    second.reset();
  };
  ASSERT_TRUE(wait_end(two));
  loop.context().poll();
  first->kill();
  EXPECT_FALSE(one.end) << "its connection is gone without a word";
  EXPECT_FALSE(closed);
}

TEST_F(ConnectionTest, ConnectionMayBeDestroyedWhileItEndsItsShells) {
  ScriptedDevice device([](DeviceSocket& phone) {
    phone.go_online();
    phone.expect(kOpen);
    phone.expect(kOpen);
  });
  ASSERT_TRUE(go_online(device));
  Notes one, two;
  auto first = shell(one);
  auto second = shell(two);
  one.during_end = [&] { connection.reset(); };
  ASSERT_TRUE(wait_end(one));
  loop.context().poll();
  EXPECT_FALSE(two.end);
  EXPECT_FALSE(closed);
}

TEST_F(ConnectionTest, PhoneThatDoesNotReadIsNotReadFrom) {
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
