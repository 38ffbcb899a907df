// Stores changes to tasks and jobs, and deletes old ones. Belongs to the writer's thread, which wraps it in a
// transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "store/sqlite/audit_log.h"
#include "store/sqlite/database.h"
#include "store/store.h"

namespace drover::store::sqlite {

class TaskWrites {
 public:
  // One step of delete_old ends at the first of these, but deletes one job at least. A task of many jobs or
  // much output goes in several steps, its `task` row in the first: from then on no read finds anything of
  // it.
  static constexpr std::int64_t kStepJobs = 5'000;  // a task counts as kTaskCost jobs in addition
  static constexpr std::int64_t kStepBytes = 16'777'216;
  static constexpr std::int64_t kTaskCost = 4;

  static Result<TaskWrites> open(Database& db);

  // std::errc::invalid_argument if something in it could not be stored as it is.
  static Result<> check(const WriteBatch& batch);

  // `batch` is fine by check(). Its entries of the audit log go to `audit`.
  Result<> apply(const WriteBatch& batch, AuditWrites& audit);

  // See Store::delete_old.
  Result<std::uint64_t> delete_old(const Retention& retention);

  // Jobs of stored tasks. Follows apply() and delete_old() at once: put back what it was after a rollback.
  std::int64_t stored_jobs() const { return stored_jobs_; }
  void set_stored_jobs(std::int64_t jobs) { stored_jobs_ = jobs; }

 private:
  struct Old {
    std::int64_t task = 0;
    std::int64_t jobs = 0;
  };
  struct Budget {
    std::int64_t jobs = kStepJobs;
    std::int64_t bytes = kStepBytes;
    bool spent() const { return jobs <= 0 || bytes <= 0; }
  };

  Result<> accept_all(const WriteBatch& batch, AuditWrites& audit);
  // Leaves its targets, joined, in targets_.
  Result<> accept(const Task& task);
  Result<> end(const WriteBatch::Ended& ended);
  Result<> finish(const WriteBatch::Finished& finished);
  // The task that has to go next, if any has to.
  Result<std::optional<Old>> next_old(const Retention& retention);
  // Deletes what the budget allows of `old`; gives the number of jobs.
  Result<std::int64_t> delete_some(const Old& old, Budget& budget);
  // The last of the results of `task` that the budget allows; nothing: all of them.
  Result<std::optional<std::int64_t>> last_allowed(std::int64_t task, Budget& budget);

  Database* db_ = nullptr;
  std::int64_t stored_jobs_ = 0;
  std::string targets_;  // kept for its memory

  Statement add_task_;
  Statement add_unfinished_;
  Statement add_begun_;
  Statement add_result_;
  Statement add_finished_;
  Statement remove_unfinished_;
  Statement remove_begun_;  // of a range of jobs

  Statement oldest_finished_;
  Statement remove_task_;
  Statement note_removed_;
  Statement result_sizes_;
  Statement remove_results_;
  Statement shrink_finished_;
  Statement remove_finished_;
};

}  // namespace drover::store::sqlite
