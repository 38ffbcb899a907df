// The id that ties a request, its answer and its log line together.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace drover::http {

// 1 to 128 visible ASCII characters.
bool is_request_id(std::string_view id);

// Makes ids of 32 hex digits. They are unlikely to meet, but can be guessed: not for secrets. Not
// thread-safe: one a thread. (xoshiro256++ of Blackman and Vigna, seeded by the kernel.)
class RequestIdMaker {
 public:
  RequestIdMaker();
  // Valid until the next call.
  std::string_view next();

 private:
  std::uint64_t random();

  std::array<std::uint64_t, 4> state_;
  std::array<char, 32> text_;
};

}  // namespace drover::http
