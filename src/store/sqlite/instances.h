// Instances. The changing half belongs to the writer's thread, the reading half to the reader's.
#pragma once

#include <vector>

#include "store/sqlite/database.h"
#include "store/types.h"

namespace drover::store::sqlite {

class InstanceWrites {
 public:
  static Result<InstanceWrites> open(Database& db);

  // See Store. std::errc::invalid_argument for labels that could not be told apart again.
  Result<std::vector<Instance>> put(std::vector<Instance> instances);
  // kNotFound has changed nothing.
  Result<> remove(std::int64_t seq);

 private:
  Database* db_ = nullptr;
  Statement put_;
  Statement remove_;
};

// In the order in which they were made.
Result<std::vector<Instance>> read_instances(Database& db);

}  // namespace drover::store::sqlite
