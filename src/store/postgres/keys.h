// How times become days.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/id.h"
#include "store/keys.h"

namespace drover::store::postgres {

inline constexpr std::int64_t kDayMs = 86'400'000;

// Of Unix time. What is no time belongs to the first or the last day.
inline std::int32_t day_of_time(std::int64_t unix_ms) {
  constexpr std::int64_t kLastDay = 4'000'000;
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(unix_ms / kDayMs, 0, kLastDay));
}

// An id begins with its time.
inline std::int32_t day_of_id(const Id& id) {
  std::int64_t unix_ms = 0;
  for (int i = 0; i < 6; ++i) unix_ms = unix_ms << 8 | id.bytes[static_cast<std::size_t>(i)];
  return day_of_time(unix_ms);
}

}  // namespace drover::store::postgres
