#include "adb/connection.h"

#include <gtest/gtest.h>

#include "adb/shell_command.h"
#include "adb/testing/connection_fixture.h"

namespace drover::adb {
namespace {

using ConnectionTest = ConnectionFixture;

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

TEST_F(ConnectionTest, ThePhoneHearsOfTheEndEvenIfAPacketGetsLost) {
  int end = -1;
  {
    ScriptedDevice device([&](DeviceSocket& phone) {
      phone.go_online();
      end = phone.end_of_connection();
    });
    ASSERT_TRUE(go_online(device));
    connection.reset();
  }
  EXPECT_EQ(end, 0) << "a reset is sent once only";
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

}  // namespace
}  // namespace drover::adb
