// Reads tasks and jobs: commands, and what their rows mean. Those of one unit see one state of the database.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
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

// Open tasks that are to be read, by day, and those of them that are to be cancelled.
struct OpenTasks {
  std::map<std::int32_t, std::vector<std::int64_t>> by_day;
  std::vector<std::int64_t> cancelled;
};
void add_open_list(Unit& unit);  // of all
// Takes those that were sent to the node.
void add_inbox(Unit& unit, std::int64_t epoch);
OpenTasks open_tasks_of(const Rows& rows);  // of either

// And then all about them: oldest first, with the jobs that had begun and have no outcome.
void add_open_read(Unit& unit, Days& days, const OpenTasks& tasks);
struct OpenRecords {
  std::vector<TaskRecord> tasks;
  std::vector<WriteBatch::Begun> begun;
};
Result<OpenRecords> open_records_of(std::span<const Rows> rows);

// What recover() needs beside them.
void add_newest(Unit& unit);
Result<Recovery> newest_of(std::span<const Rows> rows);  // its next_task and newest_ms

}  // namespace drover::store::postgres
