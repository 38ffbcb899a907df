#include "http/request_id.h"

#include <bit>

#include "base/id.h"

namespace drover::http {

bool is_request_id(std::string_view id) {
  if (id.empty() || id.size() > 128) return false;
  for (const char c : id) {
    if (c < 0x21 || c > 0x7e) return false;
  }
  return true;
}

RequestIdMaker::RequestIdMaker() { fill_random(state_.data(), sizeof(state_)); }

std::string_view RequestIdMaker::next() {
  static constexpr char kDigits[] = "0123456789abcdef";
  char* to = text_.data();
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = random();
    for (int i = 0; i < 16; ++i, bits >>= 4) *to++ = kDigits[bits & 15];
  }
  return {text_.data(), text_.size()};
}

std::uint64_t RequestIdMaker::random() {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace drover::http
