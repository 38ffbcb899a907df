// For tests: a phone on a real loopback socket that does what a test's script says, on a thread of its own.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "adb/packet.h"
#include "adb/testing/support.h"

namespace drover::adb {

struct DevicePacket {
  Header header;
  std::string payload;
};

// One accepted connection, seen from the phone. Blocking, each call at most 10 s.
class DeviceSocket {
 public:
  explicit DeviceSocket(int fd) : fd_(fd) {}
  ~DeviceSocket() { hang_up(); }
  DeviceSocket(const DeviceSocket&) = delete;
  DeviceSocket& operator=(const DeviceSocket&) = delete;

  void hang_up() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // The next packet from the host; command 0 if it has closed or says nothing.
  DevicePacket read() {
    while (packets_.empty()) {
      std::array<char, 4096> buffer{};
      const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (size <= 0) return {};
      const auto fed = reader_.feed({buffer.data(), static_cast<std::size_t>(size)},
                                    [&](const Header& header, std::string_view payload) {
                                      packets_.push_back({header, std::string(payload)});
                                      return true;
                                    });
      EXPECT_TRUE(fed) << "the host itself broke the protocol";
      if (!fed) return {};
    }
    DevicePacket packet = std::move(packets_.front());
    packets_.pop_front();
    return packet;
  }

  // The next packet has to be a `command`.
  DevicePacket expect(Command command) {
    DevicePacket packet = read();
    EXPECT_EQ(packet.header.command, command);
    return packet;
  }

  // False if the host has closed the connection.
  bool send_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }

  bool send(Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload = {}) {
    std::string bytes;
    append_packet(bytes, command, arg0, arg1, payload, false);
    return send_bytes(bytes);
  }

  void go_online(std::string_view banner = kModernBanner, std::uint32_t version = kVersionSkipChecksum,
                 std::uint32_t max_payload = 1024 * 1024) {
    expect(kCnxn);
    send(kCnxn, version, max_payload, banner);
  }

  void set_send_timeout(const timeval& limit) {
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }

  // Waits for its end after what it still sends: 0 if it was closed, an errno if it was cut off.
  int end_of_connection() {
    std::array<char, 4096> buffer{};
    ssize_t size = 0;
    do size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    while (size > 0);
    return size == 0 ? 0 : errno;
  }

  // Waits until the host closes the connection.
  void wait_closed() {
    while (read().header.command != 0) {
    }
  }

 private:
  int fd_;
  PacketReader reader_{1024 * 1024};
  std::deque<DevicePacket> packets_;
};

class ScriptedDevice {
 public:
  using Script = std::function<void(DeviceSocket&)>;

  // Accepts one connection and runs `script` on it.
  explicit ScriptedDevice(Script script) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_timeouts(listener_);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, generic, size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      set_timeouts(fd);
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      DeviceSocket socket(fd);
      script(socket);
    });
  }

  ~ScriptedDevice() {
    thread_.join();
    ::close(listener_);
  }

  ScriptedDevice(const ScriptedDevice&) = delete;
  ScriptedDevice& operator=(const ScriptedDevice&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  static void set_timeouts(int fd) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }

  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace drover::adb
