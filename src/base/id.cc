#include "base/id.h"

#include <sys/random.h>

#include <cstdlib>
#include <cstring>

namespace drover {
namespace {

constexpr char kDigits[] = "0123456789abcdef";
constexpr std::size_t kTimeBytes = 6;
constexpr std::size_t kTaskBytes = 12;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

void append_hex_bytes(const std::uint8_t* data, std::size_t size, std::string& out) {
  const std::size_t at = out.size();
  out.resize(at + 2 * size);
  char* to = out.data() + at;
  for (std::size_t i = 0; i < size; ++i) {
    *to++ = kDigits[data[i] >> 4];
    *to++ = kDigits[data[i] & 15];
  }
}

}  // namespace

std::uint32_t Id::part() const {
  return std::uint32_t{bytes[12]} << 24 | std::uint32_t{bytes[13]} << 16 | std::uint32_t{bytes[14]} << 8 |
         bytes[15];
}

Id Id::with_part(std::uint32_t part) const {
  Id id = *this;
  for (int i = 0; i < 4; ++i) id.bytes[15 - i] = static_cast<std::uint8_t>(part >> (8 * i));
  return id;
}

std::string Id::hex() const {
  std::string out;
  append_hex(out);
  return out;
}

void Id::append_hex(std::string& out) const { append_hex_bytes(bytes.data(), bytes.size(), out); }

std::optional<Id> Id::parse(std::string_view hex) {
  Id id;
  if (hex.size() != 2 * id.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return id;
}

// What is counted on from while the clock shows 1970 is random as well.
IdMaker::IdMaker() { fill_random(last_.bytes.data() + kTimeBytes, kTaskBytes - kTimeBytes); }

Id IdMaker::next(std::int64_t unix_ms) {
  Id id;
  for (std::size_t i = 0; i < kTimeBytes; ++i) {
    id.bytes[i] =
        static_cast<std::uint8_t>(static_cast<std::uint64_t>(unix_ms) >> (8 * (kTimeBytes - 1 - i)));
  }
  if (std::memcmp(id.bytes.data(), last_.bytes.data(), kTimeBytes) > 0) {
    fill_random(id.bytes.data() + kTimeBytes, kTaskBytes - kTimeBytes);
  } else {
    // The same millisecond, or a clock set back: count on from the last id.
    id = last_;
    for (std::size_t i = kTaskBytes; i-- > 0 && ++id.bytes[i] == 0;) {
    }
  }
  last_ = id;
  return id;
}

void fill_random(void* data, std::size_t size) {
  auto* to = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = getrandom(to, size, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::abort();  // the kernel has no random numbers: nothing made from here on would be safe
    }
    to += got;
    size -= static_cast<std::size_t>(got);
  }
}

std::string to_hex(std::string_view bytes) {
  std::string out;
  append_hex_bytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), out);
  return out;
}

}  // namespace drover

std::size_t std::hash<drover::Id>::operator()(const drover::Id& id) const noexcept {
  // The tail holds the random part and the part number; the time in front adds little.
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::memcpy(&a, id.bytes.data(), 8);
  std::memcpy(&b, id.bytes.data() + 8, 8);
  return static_cast<std::size_t>((a ^ (b * 0x9E3779B97F4A7C15ULL)) * 0xD6E8FEB86659FD93ULL >> 7);
}
