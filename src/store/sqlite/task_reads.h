// Reads tasks and jobs. Belongs to the reader's thread, which wraps several reads in one transaction, so that
// each sees one state of the database.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "store/sqlite/database.h"
#include "store/store.h"

namespace drover::store::sqlite {

class TaskReads {
 public:
  static Result<TaskReads> open(Database& db);

  // See Store.
  Result<std::optional<TaskRecord>> task(const Id& id);
  Result<std::optional<JobOutcome>> job(const Id& id);
  Result<std::vector<Store::TaskSummary>> list(std::int64_t project, std::int64_t before,
                                               std::uint32_t limit);
  Result<Recovery> recover();

 private:
  Result<> read_outcomes(TaskRecord& record);
  Result<> count_ended(Store::TaskSummary& summary);
  Result<> read_open_tasks(Recovery& recovery);
  Result<> read_begun_jobs(Recovery& recovery);

  Database* db_ = nullptr;
  Statement task_;
  Statement outcomes_;
  Statement job_;
  Statement list_;
  Statement ended_;
};

}  // namespace drover::store::sqlite
