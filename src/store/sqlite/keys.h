// How ids and jobs become keys of tables.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/id.h"
#include "store/types.h"

namespace drover::store::sqlite {

// The largest task number whose jobs have keys.
inline constexpr std::int64_t kMaxTask = std::numeric_limits<std::int64_t>::max() / JobKey::kMaxJobs - 1;

// The largest task number that was ever used. Beginnings and results count too: they may be there without
// their task, whose own commit failed.
inline constexpr char kLastTask[] =
    "SELECT max((SELECT last_task FROM deleted), (SELECT ifnull(max(seq), 0) FROM task),"
    " (SELECT ifnull(max(job), 0) FROM begun) >> 20, (SELECT ifnull(max(job), 0) FROM result) >> 20)";
static_assert(JobKey::kMaxJobs == 1 << 20);

inline constexpr std::size_t kIdBytes = 12;  // the part of an id that a task has for itself; the others are 0

inline std::string_view id_key(const Id& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), kIdBytes};
}

inline Id id_of_key(std::string_view key) {
  Id id;
  std::copy_n(key.data(), std::min(key.size(), kIdBytes), id.bytes.begin());
  return id;
}

// Of rows of `result`: how many succeeded, failed, were lost, were cancelled.
inline constexpr char kCountsByState[] =
    "count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3), "
    "count(*) FILTER (WHERE state = 4), count(*) FILTER (WHERE state = 5)";
static_assert(static_cast<int>(JobState::kSucceeded) == 2 && static_cast<int>(JobState::kFailed) == 3 &&
              static_cast<int>(JobState::kLost) == 4 && static_cast<int>(JobState::kCancelled) == 5);

// The keys of a task's jobs are a range.
inline std::int64_t first_job(std::int64_t task) { return JobKey{task, 0}.packed(); }
inline std::int64_t last_job(std::int64_t task) { return JobKey{task, JobKey::kMaxJobs - 1}.packed(); }

}  // namespace drover::store::sqlite
