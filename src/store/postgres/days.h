// Which days have partitions, which day an open task is of, and the statements that name a day's partitions.
//
// Belongs to the store's loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "store/postgres/unit.h"

namespace drover::store::postgres {

// Of one day of tasks.
struct DayStatements {
  explicit DayStatements(std::int32_t day);

  Statement add_tasks, add_results, finish, finish_parted;
  Statement read_task, read_outcomes, read_begun, read_job, open_tasks, open_outcomes;

 private:
  std::string names_[10];
};

class Days {
 public:
  // Statements live as long as this. Those of a day without partitions are refused by the server (42P01).
  const DayStatements& tasks(std::int32_t day);
  const Statement& add_audit(std::int32_t day);

  // Days whose partitions are there, as far as is known. Those that went with what was old may still be in
  // it.
  bool known(std::int32_t day) const { return known_.contains(day); }
  bool audit_known(std::int32_t day) const { return audit_known_.contains(day); }
  void add(std::int32_t day) { known_.insert(day); }
  void add_audit_day(std::int32_t day) { audit_known_.insert(day); }
  void forget(std::int32_t day) { known_.erase(day); }
  void forget_audit(std::int32_t day) { audit_known_.erase(day); }

  // Open tasks. False: it is there already.
  bool open(std::int64_t task, std::int32_t day) { return open_.emplace(task, day).second; }
  void close(std::int64_t task) { open_.erase(task); }
  std::optional<std::int32_t> day_of(std::int64_t task) const;

 private:
  struct AuditStatement {
    std::string name;
    Statement add;
  };

  std::map<std::int32_t, std::unique_ptr<DayStatements>> tasks_;
  std::map<std::int32_t, std::unique_ptr<AuditStatement>> audit_;
  std::set<std::int32_t> known_;
  std::set<std::int32_t> audit_known_;
  std::unordered_map<std::int64_t, std::int32_t> open_;
};

// What every read of a task and of an outcome begins with, in this order. `f` is the task's row in finished,
// if it has one.
inline constexpr char kTaskColumns[] =
    "t.seq, t.id, t.project, t.created_ms, coalesce(f.at_ms, 0), t.start_deadline_s, t.run_timeout_s, t.jobs,"
    " t.command";
inline constexpr int kAfterTask = 9;
inline constexpr char kOutcomeColumns[] =
    "r.job, r.state, r.error, r.exit_code, r.begun_ms, r.ended_ms, r.message, r.shown, r.output_bytes,"
    " r.output_hash";
inline constexpr int kAfterOutcome = 10;

// Of rows of result: how many succeeded, failed, were lost, were cancelled.
inline constexpr char kCountsByState[] =
    "count(*) FILTER (WHERE r.state = 2)::int AS succeeded, count(*) FILTER (WHERE r.state = 3)::int AS "
    "failed,"
    " count(*) FILTER (WHERE r.state = 4)::int AS lost, count(*) FILTER (WHERE r.state = 5)::int AS "
    "cancelled";

}  // namespace drover::store::postgres
