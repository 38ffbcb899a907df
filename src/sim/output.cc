#include "sim/output.h"

#include <cstring>

namespace drover::sim {
namespace {

constexpr std::uint8_t kExitId = 3;

}  // namespace

void Output::begin_packet(std::uint8_t id, std::size_t length) {
  packet_ = bytes_.size();
  const auto wire_length = static_cast<std::uint32_t>(length);
  bytes_.push_back(static_cast<char>(id));
  bytes_.append(reinterpret_cast<const char*>(&wire_length), sizeof wire_length);
}

void Output::write(Channel channel, std::string_view bytes) {
  if (bytes.empty()) return;
  switch (framing_) {
    case Framing::kShellV2: {
      const auto id = static_cast<std::uint8_t>(channel);
      if (packet_ != kNoPacket && packet_ >= taken_ && static_cast<std::uint8_t>(bytes_[packet_]) == id) {
        std::uint32_t length = 0;
        std::memcpy(&length, &bytes_[packet_ + 1], sizeof length);
        length += static_cast<std::uint32_t>(bytes.size());
        std::memcpy(&bytes_[packet_ + 1], &length, sizeof length);
      } else {
        begin_packet(id, bytes.size());
      }
      bytes_.append(bytes);
      break;
    }
    case Framing::kRaw:
      bytes_.append(bytes);
      break;
    case Framing::kTerminal:
      for (const char c : bytes) {
        if (c == '\n') bytes_.push_back('\r');
        bytes_.push_back(c);
      }
      break;
  }
}

void Output::write_exit(std::uint8_t status) {
  if (framing_ != Framing::kShellV2) return;
  begin_packet(kExitId, 1);
  packet_ = kNoPacket;
  bytes_.push_back(static_cast<char>(status));
}

void Output::take(std::size_t count) {
  taken_ += count;
  if (taken_ < bytes_.size()) return;
  bytes_.clear();
  taken_ = 0;
  packet_ = kNoPacket;
}

}  // namespace drover::sim
