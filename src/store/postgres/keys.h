// How ids and jobs become keys of tables, and times become days.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/id.h"
#include "store/types.h"

namespace drover::store::postgres {

// The largest task number whose jobs have keys.
inline constexpr std::int64_t kMaxTask = std::numeric_limits<std::int64_t>::max() / JobKey::kMaxJobs - 1;

inline constexpr std::size_t kIdBytes = 12;  // the part of an id that a task has for itself; the others are 0

inline std::string_view id_key(const Id& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), kIdBytes};
}

inline Id id_of_key(std::string_view key) {
  Id id;
  std::copy_n(key.data(), std::min(key.size(), kIdBytes), id.bytes.begin());
  return id;
}

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
