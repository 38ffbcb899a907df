// For tests: a host that speaks ADB to a simulated phone, one blocking step at a time.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "adb/packet.h"

namespace drover::sim {

struct Packet {
  adb::Header header;
  std::string payload;
};

struct ShellResult {
  std::string out;
  std::string err;
  std::optional<int> exit_code;
  bool closed = false;  // by CLSE; else the connection ended, or nothing came in time
};

class TestHost {
 public:
  explicit TestHost(const std::string& address, std::uint32_t version = adb::kVersionSkipChecksum)
      : version_(version), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto colon = address.find(':');
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &name.sin_addr);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  }
  ~TestHost() { hang_up(); }
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;

  bool connected() const { return connected_; }

  void hang_up() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  void set_patience(int millis) {
    const timeval patience{.tv_sec = millis / 1000, .tv_usec = millis % 1000 * 1000L};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  void send_raw(std::string_view bytes) {
    [[maybe_unused]] auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  void send(adb::Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload = {}) {
    std::string packet;
    adb::append_packet(packet, command, arg0, arg1, payload, true);
    send_raw(packet);
  }

  // The next packet; nothing at the connection's end, on bytes that are no packet, or if none comes in time.
  std::optional<Packet> receive() {
    while (packets_.empty()) {
      if (!receive_more()) return std::nullopt;
    }
    Packet packet = std::move(packets_.front());
    packets_.pop_front();
    return packet;
  }

  // Whether the connection has ended, rather than being quiet.
  bool ended() const { return ended_; }
  // Whether what came was no packet.
  bool broken() const { return broken_; }

  // The phone's CNXN or first AUTH.
  std::optional<Packet> greet() {
    send(adb::kCnxn, version_, 1024 * 1024, "host::features=shell_v2,cmd");
    return receive();
  }

  // True once the phone says CNXN at once.
  bool handshake() {
    const auto answer = greet();
    if (!answer || answer->header.command != adb::kCnxn) return false;
    banner_ = answer->payload;
    phone_version_ = answer->header.arg0;
    phone_payload_ = answer->header.arg1;
    return true;
  }
  const std::string& banner() const { return banner_; }
  std::uint32_t phone_version() const { return phone_version_; }
  std::uint32_t phone_payload() const { return phone_payload_; }

  // Sends OPEN and returns our id of the stream.
  std::uint32_t open(std::string_view service) {
    std::string with_nul(service);
    with_nul.push_back('\0');
    send(adb::kOpen, ++last_id_, 0, with_nul);
    return last_id_;
  }

  // Runs `command` to its end with shell_v2, acknowledging all output.
  ShellResult shell(std::string_view command) {
    open("shell,v2,raw:" + std::string(command));
    return finish();
  }

  // Reads the only open stream until it closes.
  ShellResult finish() {
    ShellResult result;
    std::string bytes;
    while (auto packet = receive()) {
      if (packet->header.command == adb::kWrte) {
        bytes += packet->payload;
        send(adb::kOkay, packet->header.arg1, packet->header.arg0);
      } else if (packet->header.command == adb::kClse) {
        result.closed = true;
        break;
      }
    }
    cut(bytes, result);
    return result;
  }

  // Shell v2 packets out of a stream's bytes.
  static void cut(std::string_view bytes, ShellResult& result) {
    while (bytes.size() >= 5) {
      std::uint32_t length = 0;
      std::memcpy(&length, bytes.data() + 1, sizeof length);
      const std::string_view data = bytes.substr(5, length);
      if (bytes[0] == 1) result.out += data;
      if (bytes[0] == 2) result.err += data;
      if (bytes[0] == 3 && !data.empty()) result.exit_code = static_cast<std::uint8_t>(data[0]);
      bytes.remove_prefix(5 + data.size());
    }
  }

 private:
  bool receive_more() {
    if (broken_ || ended_ || fd_ < 0) return false;
    std::array<char, 65536> buffer;
    ssize_t size = 0;
    do {
      size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    } while (size < 0 && errno == EINTR);  // SIGCHLD of a command on this machine
    if (size <= 0) {
      ended_ = size == 0 || errno == ECONNRESET;
      return false;
    }
    const auto fed = reader_.feed({buffer.data(), static_cast<std::size_t>(size)},
                                  [this](const adb::Header& header, std::string_view payload) {
                                    packets_.push_back({header, std::string(payload)});
                                    return true;
                                  });
    broken_ = !fed;
    return fed.has_value() || !packets_.empty();
  }

  const std::uint32_t version_;
  int fd_;
  bool connected_ = false;
  bool ended_ = false;
  bool broken_ = false;
  std::uint32_t last_id_ = 0;
  std::uint32_t phone_version_ = 0;
  std::uint32_t phone_payload_ = 0;
  std::string banner_;
  adb::PacketReader reader_{1024 * 1024};
  std::deque<Packet> packets_;
};

}  // namespace drover::sim
