// What SQLite's statements say of keys.
#pragma once

#include <cstdint>

#include "store/keys.h"
#include "store/types.h"

namespace drover::store::sqlite {

// The largest task number that was ever used. Beginnings and results count too: they may be there without
// their task, whose own commit failed.
inline constexpr char kLastTask[] =
    "SELECT max((SELECT last_task FROM deleted), (SELECT ifnull(max(seq), 0) FROM task),"
    " (SELECT ifnull(max(job), 0) FROM begun) >> 20, (SELECT ifnull(max(job), 0) FROM result) >> 20)";
static_assert(JobKey::kMaxJobs == 1 << 20);

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
