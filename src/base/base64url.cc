#include "base/base64url.h"

#include <array>
#include <cstdint>

namespace drover {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNone = 64;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  std::uint8_t next = 0;
  for (const char digit : kDigits) values[static_cast<unsigned char>(digit)] = next++;
  return values;
}();

}  // namespace

std::string base64url(std::string_view bytes) {
  std::string out;
  out.reserve(base64url_size(bytes.size()));
  std::uint32_t bits = 0;
  int held = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += kDigits[bits >> held & 63];
    }
  }
  if (held > 0) out += kDigits[bits << (6 - held) & 63];
  return out;
}

bool decode_base64url(std::string_view text, std::span<char> out) {
  if (text.size() != base64url_size(out.size())) return false;
  std::uint32_t bits = 0;
  int held = 0;
  std::uint8_t seen = 0;
  std::size_t at = 0;
  for (const char digit : text) {
    const std::uint8_t value = kValues[static_cast<unsigned char>(digit)];
    seen |= value;
    bits = bits << 6 | (value & 63);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[at++] = static_cast<char>(bits >> held & 255);
    }
  }
  const std::uint32_t left_over = bits & ((1U << held) - 1);
  return (seen & kNone) == 0 && left_over == 0;
}

}  // namespace drover
