#include "store/sqlite/task_reads.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#include "store/errc.h"
#include "store/sqlite/keys.h"

namespace drover::store::sqlite {
namespace {

// What every read of a task begins with; `f` is its row in `finished`, if it has one.
const std::string kTaskColumns =
    "t.seq, t.id, t.project, t.created_ms, ifnull(f.at_ms, 0), t.start_deadline_s, t.run_timeout_s, t.jobs, "
    "t.command";
constexpr int kAfterTask = 9;

// SQLite keeps no checksums: what a damaged page holds may look like a row. What no row of Drover's can hold
// is not passed on.
Failure implausible(const char* what) { return failure(Errc::kCorrupt, what); }

constexpr std::int64_t kMaxTime = 253'402'300'799'999;  // the end of the year 9999

bool is_time(std::int64_t unix_ms) { return unix_ms >= 0 && unix_ms <= kMaxTime; }

Result<Task> task_of(const Statement& row) {
  const std::int64_t seq = row.integer(0);
  if (seq <= 0 || seq > kMaxTask || row.bytes(1).size() != kIdBytes || !is_time(row.integer(3)) ||
      !is_time(row.integer(4)) || row.integer(7) < 0 || row.integer(7) > JobKey::kMaxJobs) {
    return implausible("a task's row");
  }
  Task task;
  task.seq = seq;
  task.id = id_of_key(row.bytes(1));
  task.project = row.integer(2);
  task.created_ms = row.integer(3);
  task.finished_ms = row.integer(4);
  task.start_deadline_s = row.integer_as<std::uint32_t>(5);
  task.run_timeout_s = row.integer_as<std::uint32_t>(6);
  task.command = row.bytes(8);
  return task;
}

void split_targets(std::string_view joined, std::size_t jobs, std::vector<std::string>& targets) {
  if (jobs == 0) return;
  targets.reserve(std::min<std::size_t>(jobs, JobKey::kMaxJobs));
  while (true) {
    const std::size_t end = joined.find('\n');
    targets.emplace_back(joined.substr(0, end));
    if (end == std::string_view::npos) return;
    joined.remove_prefix(end + 1);
  }
}

Result<TaskRecord> record_of(const Statement& row) {
  Result<Task> task = task_of(row);
  if (!task) return tl::make_unexpected(std::move(task.error()));
  TaskRecord record;
  record.task = *std::move(task);
  const auto jobs = row.integer_as<std::size_t>(7);
  split_targets(row.bytes(kAfterTask), jobs, record.task.targets);
  if (record.task.targets.size() != jobs) return implausible("a task's targets");
  record.outcomes.resize(record.task.targets.size());
  return record;
}

// What every read of an outcome begins with.
const std::string kOutcomeColumns =
    "r.job, r.state, r.error, r.exit_code, r.begun_ms, r.ended_ms, r.message, r.shown, "
    "r.output_bytes, r.output_hash";
constexpr int kAfterOutcome = 10;

Result<JobOutcome> outcome_of(const Statement& row) {
  if (row.integer(1) < static_cast<int>(JobState::kSucceeded) ||
      row.integer(1) > static_cast<int>(JobState::kCancelled) || row.integer(2) < 0 ||
      row.integer(2) > static_cast<int>(JobError::kInternal) || !is_time(row.integer(4)) ||
      !is_time(row.integer(5))) {
    return implausible("a job's result");
  }
  JobOutcome outcome;
  outcome.state = row.integer_as<JobState>(1);
  outcome.error = row.integer_as<JobError>(2);
  outcome.exit_code = row.integer_as<std::int32_t>(3);
  outcome.begun_ms = row.integer(4);
  outcome.ended_ms = row.integer(5);
  outcome.message = row.bytes(6);
  outcome.shown = row.bytes(7);
  outcome.output_bytes = row.integer_as<std::uint64_t>(8);
  outcome.output_hash = static_cast<std::uint64_t>(row.integer(9));
  return outcome;
}

StreamOutput stream_of(const Statement& row, int first_column, const std::string& shown) {
  StreamOutput stream;
  stream.omitted = row.integer_as<std::uint64_t>(first_column);
  stream.omitted_at = row.integer_as<std::uint64_t>(first_column + 1);
  stream.bytes = row.is_null(first_column + 2) ? std::string_view(shown) : row.bytes(first_column + 2);
  return stream;
}

// From four columns, in the order of kCountsByState.
void take_counts(const Statement& row, int first_column, Store::TaskSummary& summary) {
  summary.succeeded = row.integer_as<std::uint32_t>(first_column);
  summary.failed = row.integer_as<std::uint32_t>(first_column + 1);
  summary.lost = row.integer_as<std::uint32_t>(first_column + 2);
  summary.cancelled = row.integer_as<std::uint32_t>(first_column + 3);
}

}  // namespace

Result<TaskReads> TaskReads::open(Database& db) {
  TaskReads self;
  self.db_ = &db;
  auto prepared = db.prepare({
      {&self.task_, "SELECT " + kTaskColumns +
                        ", t.targets FROM task t LEFT JOIN finished f ON f.task = t.seq WHERE t.id = ?1"},
      {&self.outcomes_, "SELECT " + kOutcomeColumns + " FROM result r WHERE r.job BETWEEN ?1 AND ?2"},
      {&self.job_, "SELECT " + kOutcomeColumns +
                       ", r.out_omitted, r.out_omitted_at, r.out, r.err_omitted, r.err_omitted_at, r.err"
                       " FROM task t JOIN result r ON r.job = t.seq * ?2 + ?3 WHERE t.id = ?1"},
      {&self.list_,
       "SELECT " + kTaskColumns +
           ", f.succeeded, f.failed, f.lost, f.cancelled FROM task t LEFT JOIN finished f ON f.task = t.seq"
           " WHERE t.project = ?1 AND t.seq < ?2 ORDER BY t.seq DESC LIMIT ?3"},
      {&self.ended_, std::string("SELECT ") + kCountsByState + " FROM result WHERE job BETWEEN ?1 AND ?2"},
  });
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  return self;
}

Result<std::optional<TaskRecord>> TaskReads::task(const Id& id) {
  if (id.part() != 0) return std::nullopt;
  auto row = task_.bind(Blob{id_key(id)}).step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row) return std::nullopt;
  Result<TaskRecord> record = record_of(task_);
  task_.reset();
  if (!record) return tl::make_unexpected(std::move(record.error()));
  if (auto done = read_outcomes(*record); !done) return tl::make_unexpected(std::move(done.error()));
  const auto ended = [](const std::optional<JobOutcome>& outcome) { return outcome.has_value(); };
  if (record->task.finished_ms != 0 && !std::ranges::all_of(record->outcomes, ended))
    return implausible("the results of a finished task");
  return *std::move(record);
}

Result<> TaskReads::read_outcomes(TaskRecord& record) {
  outcomes_.bind(first_job(record.task.seq), last_job(record.task.seq));
  while (true) {
    auto row = outcomes_.step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) return {};
    const std::uint32_t index = JobKey::unpack(outcomes_.integer(0)).index;
    Result<JobOutcome> outcome = outcome_of(outcomes_);
    if (!outcome) {
      outcomes_.reset();
      return tl::make_unexpected(std::move(outcome.error()));
    }
    if (index < record.outcomes.size()) record.outcomes[index] = *std::move(outcome);
  }
}

Result<std::optional<JobOutcome>> TaskReads::job(const Id& id) {
  const std::uint32_t part = id.part();
  if (part == 0 || part > JobKey::kMaxJobs) return std::nullopt;
  auto row = job_.bind(Blob{id_key(id)}, JobKey::kMaxJobs, part - 1).step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row) return std::nullopt;
  Result<JobOutcome> outcome = outcome_of(job_);
  if (outcome) {
    outcome->out = stream_of(job_, kAfterOutcome, outcome->shown);
    outcome->err = stream_of(job_, kAfterOutcome + 3, outcome->shown);
  }
  job_.reset();
  if (!outcome) return tl::make_unexpected(std::move(outcome.error()));
  return *std::move(outcome);
}

Result<std::vector<Store::TaskSummary>> TaskReads::list(std::int64_t project, std::int64_t before,
                                                        std::uint32_t limit) {
  std::vector<Store::TaskSummary> tasks;
  list_.bind(project, before > 0 ? before : std::numeric_limits<std::int64_t>::max(), limit);
  while (true) {
    auto row = list_.step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) break;
    Result<Task> task = task_of(list_);
    if (!task) {
      list_.reset();
      return tl::make_unexpected(std::move(task.error()));
    }
    Store::TaskSummary& summary = tasks.emplace_back();
    summary.task = *std::move(task);
    summary.jobs = list_.integer_as<std::uint32_t>(7);
    take_counts(list_, kAfterTask, summary);
  }
  for (Store::TaskSummary& summary : tasks) {
    if (summary.task.finished_ms != 0) continue;
    if (auto done = count_ended(summary); !done) return tl::make_unexpected(std::move(done.error()));
  }
  return tasks;
}

Result<> TaskReads::count_ended(Store::TaskSummary& summary) {
  auto row = ended_.bind(first_job(summary.task.seq), last_job(summary.task.seq)).step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  take_counts(ended_, 0, summary);
  ended_.reset();
  return {};
}

Result<Recovery> TaskReads::recover() {
  Recovery recovery;
  auto last = db_->integer(kLastTask);
  if (!last) return tl::make_unexpected(std::move(last.error()));
  if (*last < 0 || *last > kMaxTask) return implausible("the number of the last task");
  recovery.next_task = *last + 1;
  // By its number: a time beyond the others may come from a clock that was wrong.
  auto newest = db_->integer("SELECT ifnull((SELECT created_ms FROM task ORDER BY seq DESC LIMIT 1), 0)");
  if (!newest) return tl::make_unexpected(std::move(newest.error()));
  recovery.newest_ms = *newest;
  if (auto done = read_open_tasks(recovery); !done) return tl::make_unexpected(std::move(done.error()));
  for (TaskRecord& record : recovery.open) {
    if (auto done = read_outcomes(record); !done) return tl::make_unexpected(std::move(done.error()));
  }
  if (auto done = read_begun_jobs(recovery); !done) return tl::make_unexpected(std::move(done.error()));
  return recovery;
}

Result<> TaskReads::read_open_tasks(Recovery& recovery) {
  const std::string sql = "SELECT " + kTaskColumns +
                          ", t.targets FROM unfinished u JOIN task t ON t.seq = u.task"
                          " LEFT JOIN finished f ON f.task = t.seq ORDER BY u.task";
  auto tasks = db_->prepare(sql);
  if (!tasks) return tl::make_unexpected(std::move(tasks.error()));
  while (true) {
    auto row = tasks->step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) return {};
    Result<TaskRecord> record = record_of(*tasks);
    if (!record) return tl::make_unexpected(std::move(record.error()));
    recovery.open.push_back(*std::move(record));
  }
}

Result<> TaskReads::read_begun_jobs(Recovery& recovery) {
  auto jobs = db_->prepare(
      "SELECT job, at_ms FROM begun b WHERE NOT EXISTS (SELECT 1 FROM result r WHERE r.job = b.job) ORDER BY "
      "job");
  if (!jobs) return tl::make_unexpected(std::move(jobs.error()));
  while (true) {
    auto row = jobs->step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) return {};
    recovery.begun.push_back({JobKey::unpack(jobs->integer(0)), jobs->integer(1)});
  }
}

}  // namespace drover::store::sqlite
