// What a command has written and the host has not yet got, in the form in which its stream carries it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace drover::sim {

enum class Framing : std::uint8_t {
  kShellV2,   // packets: id, length, data (AOSP shell_protocol.h)
  kRaw,       // bytes, stdout and stderr together
  kTerminal,  // the same, with "\r\n" for every "\n"
};

enum class Channel : std::uint8_t { kStdout = 1, kStderr = 2 };

class Output {
 public:
  explicit Output(Framing framing) : framing_(framing) {}

  // What is written to one channel in succession becomes one packet, as long as nothing of it has been taken.
  void write(Channel channel, std::string_view bytes);
  // Only shell v2 has a place for it.
  void write_exit(std::uint8_t status);

  std::size_t size() const { return bytes_.size() - taken_; }
  // At most `limit` bytes from the front; taken with take().
  std::string_view front(std::size_t limit) const { return std::string_view(bytes_).substr(taken_, limit); }
  void take(std::size_t count);

 private:
  static constexpr std::size_t kNoPacket = static_cast<std::size_t>(-1);

  void begin_packet(std::uint8_t id, std::size_t length);

  std::string bytes_;
  std::size_t taken_ = 0;
  std::size_t packet_ = kNoPacket;  // where the last packet begins, if it may grow
  Framing framing_;
};

}  // namespace drover::sim
