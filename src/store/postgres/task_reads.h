// Reads tasks and jobs: commands, and what their rows mean. Those of one unit see one state of the database.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "store/postgres/days.h"
#include "store/postgres/unit.h"
#include "store/store.h"

namespace drover::store::postgres {

// `id` is a task's. False: nothing can be found.
bool add_task_read(Unit& unit, Days& days, const Id& id);
Result<std::optional<TaskRecord>> task_of(const std::vector<Rows>& rows);

// `id` is a job's. Likewise.
bool add_job_read(Unit& unit, Days& days, const Id& id);
Result<std::optional<JobOutcome>> job_of(const Rows& rows);

void add_list(Unit& unit, std::int64_t project, std::int64_t before, std::uint32_t limit);
Result<std::vector<Store::TaskSummary>> list_of(const Rows& rows);

// In two units: the days that there are open tasks of,
void add_open_days(Unit& unit);
std::vector<std::int32_t> open_days_of(const Rows& rows);
// and all about them.
void add_recovery(Unit& unit, Days& days, const std::vector<std::int32_t>& open_days);
Result<Recovery> recovery_of(const std::vector<Rows>& rows);

}  // namespace drover::store::postgres
