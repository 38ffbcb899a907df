#include "store/postgres/task_reads.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/errc.h"
#include "store/postgres/keys.h"

namespace drover::store::postgres {
namespace {

// By way of the tables of all days, because a project's tasks may be of any; a day's index is asked for as
// many rows as are needed of it. Of open tasks the results are counted.
const Statement kList{
    "list_tasks",
    std::string("SELECT ") + kTaskColumns +
        ", coalesce(f.succeeded, c.succeeded), coalesce(f.failed, c.failed), coalesce(f.lost, c.lost),"
        " coalesce(f.cancelled, c.cancelled)"
        " FROM (SELECT seq, id, project, created_ms, start_deadline_s, run_timeout_s, jobs, command, day"
        " FROM drover.task WHERE project = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3) t"
        " LEFT JOIN drover.finished f ON f.day = t.day AND f.task = t.seq"
        " LEFT JOIN LATERAL (SELECT " +
        kCountsByState +
        " FROM drover.result r WHERE f.task IS NULL AND r.day = t.day"
        " AND r.job BETWEEN t.seq * 1048576 AND t.seq * 1048576 + 1048575) c ON true ORDER BY t.seq DESC"};

const Statement kOpenList{"open_list", "SELECT seq, day, cancelled FROM drover.open_task"};
// Of what is not open any more nothing needs to be done.
const Statement kTakeInbox{
    "take_inbox",
    "WITH taken AS (DELETE FROM drover.inbox WHERE node = $1 AND kind = 0 RETURNING task)"
    " SELECT DISTINCT o.seq, o.day, o.cancelled FROM taken t"
    " JOIN drover.open_task o ON o.seq = t.task"};
const Statement kOpenBegun{
    "open_begun",
    "SELECT b.job, b.at_ms FROM unnest($1::int8[]) AS n(task) JOIN drover.begun b"
    " ON b.job BETWEEN n.task * 1048576 AND n.task * 1048576 + 1048575 ORDER BY b.job"};

// The database is trusted less than a compiler: what no row of Drover's can hold is not passed on.
Failure implausible(const char* what) { return failure(Errc::kCorrupt, what); }

constexpr std::int64_t kMaxTime = 253'402'300'799'999;  // the end of the year 9999

bool is_time(std::int64_t unix_ms) { return unix_ms >= 0 && unix_ms <= kMaxTime; }

Result<Task> task_of_row(const Rows& rows, int row) {
  const std::int64_t seq = rows.integer(row, 0);
  const std::int64_t jobs = rows.integer(row, 7);
  if (seq <= 0 || seq > kMaxTask || rows.bytes(row, 1).size() != kIdBytes || !is_time(rows.integer(row, 3)) ||
      !is_time(rows.integer(row, 4)) || jobs < 0 || jobs > JobKey::kMaxJobs) {
    return implausible("a task's row");
  }
  Task task;
  task.seq = seq;
  task.id = id_of_key(rows.bytes(row, 1));
  task.project = rows.integer(row, 2);
  task.created_ms = rows.integer(row, 3);
  task.finished_ms = rows.integer(row, 4);
  task.start_deadline_s = static_cast<std::uint32_t>(rows.integer(row, 5));
  task.run_timeout_s = static_cast<std::uint32_t>(rows.integer(row, 6));
  task.command = rows.bytes(row, 8);
  return task;
}

void split_targets(std::string_view joined, std::size_t jobs, std::vector<std::string>& targets) {
  if (jobs == 0) return;
  targets.reserve(jobs);
  while (true) {
    const std::size_t end = joined.find('\n');
    targets.emplace_back(joined.substr(0, end));
    if (end == std::string_view::npos) return;
    joined.remove_prefix(end + 1);
  }
}

Result<TaskRecord> record_of(const Rows& rows, int row) {
  Result<Task> task = task_of_row(rows, row);
  if (!task) return tl::make_unexpected(std::move(task.error()));
  TaskRecord record;
  record.task = *std::move(task);
  const auto jobs = static_cast<std::size_t>(rows.integer(row, 7));
  split_targets(rows.bytes(row, kAfterTask), jobs, record.task.targets);
  if (record.task.targets.size() != jobs) return implausible("a task's targets");
  record.outcomes.resize(jobs);
  return record;
}

Result<JobOutcome> outcome_of(const Rows& rows, int row) {
  const std::int64_t state = rows.integer(row, 1);
  const std::int64_t error = rows.integer(row, 2);
  if (state < static_cast<int>(JobState::kSucceeded) || state > static_cast<int>(JobState::kCancelled) ||
      error < 0 || error > static_cast<int>(JobError::kInternal) || !is_time(rows.integer(row, 4)) ||
      !is_time(rows.integer(row, 5))) {
    return implausible("a job's result");
  }
  JobOutcome outcome;
  outcome.state = static_cast<JobState>(state);
  outcome.error = static_cast<JobError>(error);
  outcome.exit_code = static_cast<std::int32_t>(rows.integer(row, 3));
  outcome.begun_ms = rows.integer(row, 4);
  outcome.ended_ms = rows.integer(row, 5);
  outcome.message = rows.bytes(row, 6);
  outcome.shown = rows.bytes(row, 7);
  outcome.output_bytes = static_cast<std::uint64_t>(rows.integer(row, 8));
  outcome.output_hash = static_cast<std::uint64_t>(rows.integer(row, 9));
  return outcome;
}

StreamOutput stream_of(const Rows& rows, int column, const std::string& shown) {
  StreamOutput stream;
  stream.omitted = static_cast<std::uint64_t>(rows.integer(0, column));
  stream.omitted_at = static_cast<std::uint64_t>(rows.integer(0, column + 1));
  stream.bytes = rows.is_null(0, column + 2) ? std::string_view(shown) : rows.bytes(0, column + 2);
  return stream;
}

// Each to the record that `find` gives for its task, if any.
template <typename Find>
Result<> take_outcomes(const Rows& rows, Find find) {
  for (int row = 0; row < rows.size(); ++row) {
    const JobKey job = JobKey::unpack(rows.integer(row, 0));
    TaskRecord* record = find(job.task);
    if (record == nullptr || job.index >= record->outcomes.size()) continue;
    Result<JobOutcome> outcome = outcome_of(rows, row);
    if (!outcome) return tl::make_unexpected(std::move(outcome.error()));
    record->outcomes[job.index] = *std::move(outcome);
  }
  return {};
}

}  // namespace

bool add_task_read(Unit& unit, Days& days, const Id& id) {
  if (!days.known(day_of_id(id))) return false;
  const DayStatements& day = days.tasks(day_of_id(id));
  Params task;
  task.add_bytes(id_key(id));
  Params outcomes;
  outcomes.add_bytes(id_key(id));
  Params begun;
  begun.add_bytes(id_key(id));
  unit.add(day.read_task, std::move(task));
  unit.add(day.read_outcomes, std::move(outcomes));
  unit.add(day.read_begun, std::move(begun));
  return true;
}

Result<std::optional<TaskRecord>> task_of(const std::vector<Rows>& rows) {
  if (rows.size() != 3 || rows[0].size() == 0) return std::nullopt;
  auto record = record_of(rows[0], 0);
  if (!record) return tl::make_unexpected(std::move(record.error()));
  auto done = take_outcomes(rows[1],
                            [&](std::int64_t task) { return task == record->task.seq ? &*record : nullptr; });
  if (!done) return tl::make_unexpected(std::move(done.error()));
  const auto ended = [](const std::optional<JobOutcome>& outcome) { return outcome.has_value(); };
  if (record->task.finished_ms != 0 && !std::ranges::all_of(record->outcomes, ended))
    return implausible("the results of a finished task");
  for (int row = 0; row < rows[2].size(); ++row) {
    const JobKey job = JobKey::unpack(rows[2].integer(row, 0));
    if (job.index < record->outcomes.size() && !record->outcomes[job.index])
      record->begun.push_back(job.index);
  }
  return *std::move(record);
}

bool add_job_read(Unit& unit, Days& days, const Id& id) {
  if (!days.known(day_of_id(id))) return false;
  Params params;
  params.add_bytes(id_key(id)).add(static_cast<std::int64_t>(id.part()) - 1);
  unit.add(days.tasks(day_of_id(id)).read_job, std::move(params));
  return true;
}

Result<std::optional<JobOutcome>> job_of(const Rows& rows) {
  if (rows.size() == 0) return std::nullopt;
  Result<JobOutcome> outcome = outcome_of(rows, 0);
  if (!outcome) return tl::make_unexpected(std::move(outcome.error()));
  outcome->out = stream_of(rows, kAfterOutcome, outcome->shown);
  outcome->err = stream_of(rows, kAfterOutcome + 3, outcome->shown);
  return *std::move(outcome);
}

void add_list(Unit& unit, std::int64_t project, std::int64_t before, std::uint32_t limit) {
  Params params;
  params.add(project).add(before > 0 ? before : std::numeric_limits<std::int64_t>::max());
  params.add(static_cast<std::int64_t>(limit));
  unit.add(kList, std::move(params));
}

Result<std::vector<Store::TaskSummary>> list_of(const Rows& rows) {
  std::vector<Store::TaskSummary> tasks;
  tasks.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    Result<Task> task = task_of_row(rows, row);
    if (!task) return tl::make_unexpected(std::move(task.error()));
    Store::TaskSummary& summary = tasks.emplace_back();
    summary.task = *std::move(task);
    summary.jobs = static_cast<std::uint32_t>(rows.integer(row, 7));
    summary.succeeded = static_cast<std::uint32_t>(rows.integer(row, kAfterTask));
    summary.failed = static_cast<std::uint32_t>(rows.integer(row, kAfterTask + 1));
    summary.lost = static_cast<std::uint32_t>(rows.integer(row, kAfterTask + 2));
    summary.cancelled = static_cast<std::uint32_t>(rows.integer(row, kAfterTask + 3));
  }
  return tasks;
}

void add_open_list(Unit& unit) { unit.add(kOpenList, {}); }

void add_inbox(Unit& unit, std::int64_t epoch) {
  Params params;
  params.add(epoch);
  unit.add(kTakeInbox, std::move(params));
}

OpenTasks open_tasks_of(const Rows& rows) {
  OpenTasks tasks;
  for (int row = 0; row < rows.size(); ++row) {
    tasks.by_day[static_cast<std::int32_t>(rows.integer(row, 1))].push_back(rows.integer(row, 0));
    if (rows.integer(row, 2) != 0) tasks.cancelled.push_back(rows.integer(row, 0));
  }
  std::ranges::sort(tasks.cancelled);
  return tasks;
}

void add_open_read(Unit& unit, Days& days, const OpenTasks& tasks) {
  std::vector<std::int64_t> all;
  for (const auto& [day, seqs] : tasks.by_day) all.insert(all.end(), seqs.begin(), seqs.end());
  Params begun;
  begun.add(all);
  unit.add(kOpenBegun, std::move(begun));
  for (const auto& [day, seqs] : tasks.by_day) {
    for (const Statement* statement : {&days.tasks(day).open_tasks, &days.tasks(day).open_outcomes}) {
      Params params;
      params.add(seqs);
      unit.add(*statement, std::move(params));
    }
  }
}

Result<OpenRecords> open_records_of(std::span<const Rows> rows) {
  if (rows.empty()) return implausible("an answer");
  OpenRecords open;
  for (std::size_t day = 1; day + 1 < rows.size(); day += 2) {
    for (int row = 0; row < rows[day].size(); ++row) {
      Result<TaskRecord> record = record_of(rows[day], row);
      if (!record) return tl::make_unexpected(std::move(record.error()));
      open.tasks.push_back(*std::move(record));
    }
  }
  std::ranges::sort(open.tasks, {}, [](const TaskRecord& record) { return record.task.seq; });
  std::unordered_map<std::int64_t, TaskRecord*> by_task;
  for (TaskRecord& record : open.tasks) by_task[record.task.seq] = &record;
  const auto find = [&by_task](std::int64_t task) {
    const auto found = by_task.find(task);
    return found == by_task.end() ? nullptr : found->second;
  };
  for (std::size_t day = 2; day < rows.size(); day += 2)
    if (auto done = take_outcomes(rows[day], find); !done)
      return tl::make_unexpected(std::move(done.error()));
  for (int row = 0; row < rows[0].size(); ++row) {
    const JobKey job = JobKey::unpack(rows[0].integer(row, 0));
    const TaskRecord* record = find(job.task);
    const bool ended =
        record != nullptr && job.index < record->outcomes.size() && record->outcomes[job.index];
    if (!ended) open.begun.push_back({job, rows[0].integer(row, 1)});
  }
  return open;
}

void add_newest(Unit& unit) {
  unit.add("SELECT max(last_task) FROM drover.stock");
  // By its number: a time beyond the others may come from a clock that was wrong.
  unit.add("SELECT created_ms FROM drover.task ORDER BY seq DESC LIMIT 1");
}

Result<Recovery> newest_of(std::span<const Rows> rows) {
  if (rows.size() < 2) return implausible("an answer");
  const std::int64_t last = rows[0].integer(0, 0);
  if (rows[0].size() != 1 || last < 0 || last > kMaxTask) return implausible("the number of the last task");
  Recovery recovery;
  recovery.next_task = last + 1;
  recovery.newest_ms = rows[1].integer(0, 0);
  return recovery;
}

}  // namespace drover::store::postgres
