#include "store/sqlite/task_writes.h"

#include <algorithm>

#include "store/batch_check.h"
#include "store/errc.h"
#include "store/sqlite/keys.h"

namespace drover::store::sqlite {
namespace {

// Small output is shown whole: its bytes need not be stored twice.
std::optional<Blob> unless_shown(const StreamOutput& stream, const JobOutcome& job) {
  if (stream.bytes == job.shown) return std::nullopt;
  return Blob{stream.bytes};
}

}  // namespace

Result<TaskWrites> TaskWrites::open(Database& db) {
  TaskWrites self;
  self.db_ = &db;
  auto prepared = db.prepare({
      {&self.add_task_, "INSERT INTO task VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"},
      {&self.add_unfinished_, "INSERT INTO unfinished VALUES(?1)"},
      {&self.add_begun_, "INSERT INTO begun VALUES(?1, ?2)"},
      {&self.add_result_,
       "INSERT INTO result VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"},
      {&self.add_finished_,
       std::string("INSERT INTO finished SELECT ?1, ?2, (SELECT jobs FROM task WHERE seq = ?1), ") +
           kCountsByState +
           " FROM result WHERE job BETWEEN ?3 AND ?4 HAVING count(*) = (SELECT jobs FROM task WHERE seq = "
           "?1)"},
      {&self.remove_unfinished_, "DELETE FROM unfinished WHERE task = ?1"},
      {&self.remove_begun_, "DELETE FROM begun WHERE job BETWEEN ?1 AND ?2"},
      {&self.oldest_finished_, "SELECT task, jobs, at_ms FROM finished ORDER BY at_ms, task LIMIT 1"},
      {&self.remove_task_, "DELETE FROM task WHERE seq = ?1"},
      {&self.note_removed_, "UPDATE deleted SET last_task = ?1 WHERE last_task < ?1"},
      {&self.result_sizes_,
       "SELECT job, length(shown) + ifnull(length(out), 0) + ifnull(length(err), 0) FROM result"
       " WHERE job BETWEEN ?1 AND ?2 ORDER BY job"},
      {&self.remove_results_, "DELETE FROM result WHERE job BETWEEN ?1 AND ?2"},
      {&self.shrink_finished_, "UPDATE finished SET jobs = jobs - ?2 WHERE task = ?1"},
      {&self.remove_finished_, "DELETE FROM finished WHERE task = ?1"},
  });
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  auto jobs = db.integer(
      "SELECT (SELECT ifnull(sum(jobs), 0) FROM finished) +"
      " (SELECT ifnull(sum(jobs), 0) FROM unfinished JOIN task ON seq = task)");
  if (!jobs) return tl::make_unexpected(std::move(jobs.error()));
  self.stored_jobs_ = *jobs;
  return self;
}

Result<> TaskWrites::check(const WriteBatch& batch) {
  for (const Task& task : batch.accepted) {
    if (auto fine = check_task(task); !fine) return fine;
  }
  return check_audit(batch, AuditWrites::check);
}

Result<> TaskWrites::apply(const WriteBatch& batch, AuditWrites& audit) {
  if (auto done = accept_all(batch, audit); !done) return done;
  for (const WriteBatch::Begun& begun : batch.begun) {
    if (auto done = add_begun_.bind(begun.job.packed(), begun.at_ms).run(); !done) return done;
  }
  for (const JobKey& job : batch.unbegun) {
    if (auto done = remove_begun_.bind(job.packed(), job.packed()).run(); !done) return done;
  }
  for (const WriteBatch::Ended& ended : batch.ended) {
    if (auto done = end(ended); !done) return done;
  }
  for (const WriteBatch::Finished& finished : batch.finished) {
    if (auto done = finish(finished); !done) return done;
  }
  return {};
}

// Each task with its entries of the audit log, for which its targets are joined already.
Result<> TaskWrites::accept_all(const WriteBatch& batch, AuditWrites& audit) {
  auto entry = batch.audit.begin();
  for (const Task& task : batch.accepted) {
    if (auto done = accept(task); !done) return done;
    for (; entry != batch.audit.end() && (entry->task == 0 || entry->task == task.seq); ++entry) {
      auto done = entry->task == 0 ? audit.add(*entry) : audit.add(*entry, task.id.hex(), targets_);
      if (!done) return done;
    }
  }
  for (; entry != batch.audit.end(); ++entry) {
    if (auto done = audit.add(*entry); !done) return done;
  }
  return {};
}

Result<> TaskWrites::accept(const Task& task) {
  targets_.clear();
  for (const std::string& target : task.targets) {
    if (&target != &task.targets.front()) targets_ += '\n';
    targets_ += target;
  }
  add_task_.bind(task.seq, Blob{id_key(task.id)}, task.project, task.targets.size(), task.created_ms,
                 task.start_deadline_s, task.run_timeout_s, std::string_view(task.command),
                 std::string_view(targets_));
  if (auto done = add_task_.run(); !done) return done;
  if (auto done = add_unfinished_.bind(task.seq).run(); !done) return done;
  stored_jobs_ += static_cast<std::int64_t>(task.targets.size());
  return {};
}

Result<> TaskWrites::end(const WriteBatch::Ended& ended) {
  const JobOutcome& job = ended.outcome;
  add_result_.bind(ended.job.packed(), static_cast<int>(job.state), static_cast<int>(job.error),
                   job.exit_code, job.begun_ms, job.ended_ms, job.out.omitted, job.out.omitted_at,
                   job.err.omitted, job.err.omitted_at, job.output_bytes,
                   static_cast<std::int64_t>(job.output_hash), std::string_view(job.message), Blob{job.shown},
                   unless_shown(job.out, job), unless_shown(job.err, job));
  return add_result_.run();
}

Result<> TaskWrites::finish(const WriteBatch::Finished& finished) {
  const std::int64_t first = first_job(finished.task);
  const std::int64_t last = last_job(finished.task);
  add_finished_.bind(finished.task, finished.at_ms, first, last);
  if (auto done = add_finished_.run(); !done) return done;
  if (db_->changes() == 0) {
    // What would say how its jobs ended was in a write that failed.
    return failure(std::make_error_code(std::errc::invalid_argument), "a task cannot finish before its jobs");
  }
  if (auto done = remove_unfinished_.bind(finished.task).run(); !done) return done;
  return remove_begun_.bind(first, last).run();
}

Result<std::uint64_t> TaskWrites::delete_old(const Retention& retention) {
  std::int64_t deleted = 0;
  for (Budget budget; !budget.spent();) {
    auto old = next_old(retention);
    if (!old) return tl::make_unexpected(std::move(old.error()));
    if (!*old) break;
    auto jobs = delete_some(**old, budget);
    if (!jobs) return tl::make_unexpected(std::move(jobs.error()));
    deleted += *jobs;
    stored_jobs_ -= *jobs;
  }
  return static_cast<std::uint64_t>(deleted);
}

Result<std::optional<TaskWrites::Old>> TaskWrites::next_old(const Retention& retention) {
  auto row = oldest_finished_.step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row) return std::nullopt;
  const Old old{oldest_finished_.integer(0), oldest_finished_.integer(1)};
  if (old.task <= 0 || old.task > kMaxTask || old.jobs < 0 || old.jobs > JobKey::kMaxJobs) {
    oldest_finished_.reset();
    return failure(Errc::kCorrupt, "a row of a finished task");
  }
  const bool too_old = oldest_finished_.integer(2) < retention.finished_before_ms;
  oldest_finished_.reset();
  const bool too_many =
      retention.max_jobs != 0 && static_cast<std::uint64_t>(stored_jobs_) > retention.max_jobs;
  if (!too_old && !too_many) return std::nullopt;
  return old;
}

Result<std::int64_t> TaskWrites::delete_some(const Old& old, Budget& budget) {
  // The numbers are noted before they are gone: none is used twice.
  budget.jobs -= kTaskCost;
  if (auto done = remove_task_.bind(old.task).run(); !done)
    return tl::make_unexpected(std::move(done.error()));
  if (auto done = note_removed_.bind(old.task).run(); !done)
    return tl::make_unexpected(std::move(done.error()));

  auto until = last_allowed(old.task, budget);
  if (!until) return tl::make_unexpected(std::move(until.error()));
  remove_results_.bind(first_job(old.task), until->value_or(last_job(old.task)));
  if (auto done = remove_results_.run(); !done) return tl::make_unexpected(std::move(done.error()));

  // What is left of a task keeps its row in `finished`, by which the next step finds it, also after a crash.
  const std::int64_t jobs = *until ? db_->changes() : old.jobs;
  auto done = *until ? shrink_finished_.bind(old.task, jobs).run() : remove_finished_.bind(old.task).run();
  if (!done) return tl::make_unexpected(std::move(done.error()));
  return jobs;
}

Result<std::optional<std::int64_t>> TaskWrites::last_allowed(std::int64_t task, Budget& budget) {
  std::optional<std::int64_t> last;
  result_sizes_.bind(first_job(task), last_job(task));
  while (true) {
    auto row = result_sizes_.step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) return std::nullopt;
    if (last && budget.spent()) break;
    last = result_sizes_.integer(0);
    budget.jobs -= 1;
    budget.bytes -= result_sizes_.integer(1);
  }
  result_sizes_.reset();
  return last;
}

}  // namespace drover::store::sqlite
