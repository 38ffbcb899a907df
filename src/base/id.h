// Ids of tasks and jobs.
//
// An id is 16 bytes, written as 32 lower-case hex digits (the form KooPhone's examples have):
//
//   | 6 bytes: Unix time, ms | 6 bytes: random | 4 bytes: 0 for the task, 1 + index for its jobs |
//
// The leading time makes new ids the largest, so that indexes grow at their end. Because a job's id contains
// its task's, neither job ids nor an index over them need to be stored.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace drover {

struct Id {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Id&) const = default;

  // 0 for a task, 1 + index for a job.
  std::uint32_t part() const;
  Id task() const { return with_part(0); }
  Id job(std::uint32_t index) const { return with_part(index + 1); }

  std::string hex() const;
  void append_hex(std::string& out) const;
  // Exactly 32 lower-case hex digits, or nothing.
  static std::optional<Id> parse(std::string_view hex);

 private:
  Id with_part(std::uint32_t part) const;
};

// Makes task ids. Every id is larger than the one before it, also when the wall clock is set back; the random
// part, drawn anew at each millisecond, keeps ids of different processes apart, among them one server before
// and after a start at which its clock was set back. Not thread-safe.
class IdMaker {
 public:
  IdMaker();
  Id next(std::int64_t unix_ms);

 private:
  Id last_;
};

// `size` bytes from the kernel's generator, for keys, tokens and ids.
void fill_random(void* data, std::size_t size);

// `bytes` as lower-case hex digits.
std::string to_hex(std::string_view bytes);

}  // namespace drover

template <>
struct std::hash<drover::Id> {
  std::size_t operator()(const drover::Id& id) const noexcept;
};
