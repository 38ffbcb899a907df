// Instances.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/cluster.h"
#include "store/postgres/unit.h"
#include "store/types.h"

namespace drover::store::postgres {

// std::errc::invalid_argument for labels that could not be told apart again.
Result<> check(const std::vector<Instance>& instances);

// One command an instance; all are fine by check(). Each answers with seq, created_ms and labels.
void put_instances(Unit& unit, const std::vector<Instance>& instances);
// Answers the same of those that are there.
void read_put_instances(Unit& unit, const std::vector<Instance>& instances);
// Takes over what they answered. kCorrupt if it is no answer.
Result<std::vector<Instance>> put_of(std::vector<Instance> instances, std::span<const Rows> rows);

// Answers 0: done, 2: there is no such thing.
void remove_instance(Unit& unit, std::int64_t epoch, std::int64_t seq);

// In the order in which they were made.
void add_instances_read(Unit& unit);
Result<std::vector<Instance>> instances_of(const Rows& rows);

// Those that changed after this version of the directory, as they are now.
void add_changed_instances_read(Unit& unit, std::int64_t since);
Result<InstanceChanges> changed_instances_of(const Rows& rows);

}  // namespace drover::store::postgres
