// What is in the schema `drover` of a database, and how a database gets it.
//
// Small and often changed, so that what is dead is soon swept away:
//
// `node`: one row a running node, its lease. Its epoch is never given to another.
//
// `node_write`: the number of the last write unit of a node that was committed, and what it answered. It
// stays after the node is gone, so that one which was taken for dead can learn what became of its last unit.
//
// `stock`: one row; how many jobs are stored and the largest task number ever used.
//
// `open_task`: one a task with open jobs. `begun`: one a job that began, until its task has finished.
//
// History, which is only added to and goes by the day: `task`, `result` and `finished`, each with a partition
// for every row of `day`, named after it (task_20784). The day is that of the task's id, so that who has an
// id knows the table. `audit` likewise, by `audit_day`, with the day of the entry. Writes and reads by id
// name the partition, so that a statement's cost does not grow with the number of days.
//
// What needs a decision in the middle of a transaction is a function: fence() at the begin of each write
// unit, settle() when nobody knows what became of one, take_lease(), delete_old().
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace drover::store::postgres {

inline constexpr std::int64_t kVersion = 1;

// SQLSTATEs that the schema's functions raise.
inline constexpr char kFencedState[] = "DR001";      // the lease of this epoch is gone
inline constexpr char kUnfinishedState[] = "DR002";  // a task cannot finish before its jobs
inline constexpr char kTakenState[] = "DR003";       // a unit of that number was committed already

// One row: whether there is a schema `drover`; whether it has a table `version`.
extern const char* const kLookForSchema;

// One command, which brings the schema to kVersion; it does nothing where that is reached or passed. Several
// nodes may run it at once.
std::string migration();

extern const char* const kReadVersion;  // one row

}  // namespace drover::store::postgres
