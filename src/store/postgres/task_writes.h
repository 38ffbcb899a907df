// What the batches of a group do to tasks and to the audit log, gathered by table and day: few commands, each
// with arrays of what all batches have for it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/postgres/audit_log.h"
#include "store/postgres/days.h"
#include "store/postgres/shard_map.h"
#include "store/store.h"

namespace drover::store::postgres {

// Belongs to the store's loop. Batches must stay where they are until add_to() was called.
class TaskGroup {
 public:
  explicit TaskGroup(Days* days) : days_(days) {}

  // std::errc::invalid_argument if something in it could not be stored as it is, or is about a task that is
  // not open.
  Result<> check(const WriteBatch& batch) const;
  // `batch` is fine by check(). Its tasks are open from now on.
  void add(const WriteBatch& batch);
  // Everything, as commands; other nodes are told by this map.
  void add_to(Unit& unit, const ShardMap& map);
  // Something in it concerns other nodes, or may finish a task that does.
  bool concerns_others() const { return !elsewhere_.empty() || parted_; }
  // It finishes tasks that do not.
  bool finishes() const { return finishes_; }
  bool accepts() const { return !opened_.empty(); }

  std::size_t rows() const { return rows_; }

  // Days that need partitions.
  const std::set<std::int32_t>& days() const { return used_; }
  const std::set<std::int32_t>& audit_days() const { return audit_.days(); }

  // The tasks that were accepted are not open; those that finished are not.
  void failed();
  void committed();

 private:
  struct Day {
    std::vector<const Task*> accepted;
    std::vector<const WriteBatch::Ended*> ended;
    std::vector<const WriteBatch::Finished*> finished;
    std::vector<const WriteBatch::Finished*> parted;
  };

  std::int32_t use_day_of(std::int64_t task, const Id& id);
  void begin_jobs(const WriteBatch& batch);
  void add_accepted(Unit& unit, std::int32_t day, const std::vector<const Task*>& tasks);
  void add_stock(Unit& unit) const;
  void add_begun(Unit& unit);
  void add_ended(Unit& unit, std::int32_t day, const std::vector<const WriteBatch::Ended*>& all);
  void add_finished(Unit& unit, std::int32_t day, const std::vector<const WriteBatch::Finished*>& all);
  void add_parted(Unit& unit);
  void add_elsewhere(Unit& unit, const ShardMap& map);

  Days* days_;
  std::map<std::int32_t, Day> by_day_;
  std::set<std::int32_t> used_;
  std::vector<std::int64_t> opened_;
  std::vector<WriteBatch::Begun> begun_;
  std::vector<std::int64_t> unbegun_;
  std::vector<WriteBatch::Elsewhere> elsewhere_;
  bool parted_ = false;
  bool finishes_ = false;
  AuditGroup audit_;
  std::int64_t largest_ = 0;
  std::size_t rows_ = 0;
};

// A step of what is too old; `today` is not dropped whole. Answers with the number of what went.
void add_delete_old(Unit& unit, std::int64_t epoch, const Retention& retention, std::int32_t today);

}  // namespace drover::store::postgres
