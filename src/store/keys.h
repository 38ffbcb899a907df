// How ids and jobs become keys of tables.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/id.h"
#include "store/types.h"

namespace drover::store {

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

}  // namespace drover::store
