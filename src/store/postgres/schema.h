// What is in the schema `drover` of a database, and how a database gets it.
//
// Small and often changed, so that what is dead is soon swept away:
//
// `node`: one row a running node, and `lease` how long it is taken for alive. Its epoch is never given to
// another. `shard`: which node owns which. `inbox`: tasks of which a node has jobs to do, or to cancel, that
// another has told it of. `directory`: one row, which counts changes of nodes, users, instances and owners.
//
// `node_write`: the numbers of the last write units of a node that were committed, and what they answered.
// They stay after the node is gone, so that one which was taken for dead can learn what became of its last.
//
// `stock`: how many jobs of each day are stored and the largest task number ever used, as the sums and the
// maximum of its rows.
//
// `instance_change` and `instance_unit`: which instances changed with which of the last versions of the
// directory, so that nodes read these only.
//
// `phone_state`: how a phone is linked, told by the node that owns its shard.
//
// `open_task`: one a task with open jobs. `begun`: one a job that began, until its task has finished.
//
// History, which is only added to and goes by the day: `task`, `result` and `finished`, each with a partition
// for every row of `day`, named after it (task_20784). The day is that of the task's id, so that who has an
// id knows the table. `audit` likewise, by `audit_day`, with the day of the entry. Writes and reads by id
// name the partition, so that a statement's cost does not grow with the number of days.
//
// What needs a decision in the middle of a transaction is a function: fence() at the begin of each write
// unit, settle() when nobody knows what became of one, bury(), take_shards(), delete_old().
#pragma once

#include <span>
#include <string>

#include "store/postgres/unit.h"

namespace drover::store::postgres {

// SQLSTATEs that the schema's functions raise.
inline constexpr char kFencedState[] = "DR001";      // the lease of this epoch is gone
inline constexpr char kUnfinishedState[] = "DR002";  // a task cannot finish before its jobs
inline constexpr char kTakenState[] = "DR003";       // a unit of that number was committed already
inline constexpr char kMovedState[] = "DR004";       // shards have other owners than was thought

// migrations()[n] leads from version n to n + 1: commands that may stand in a block of PL/pgSQL, each with
// its semicolon. Only ever add at the end.
std::span<const std::string> migrations();

// One row: whether there is a schema `drover`; whether it has a table `version`; whether anything is in it.
// Needs no right to the schema.
extern const char* const kLookForSchema;

// Whether it is another program's. An empty one was made beforehand, for this.
bool is_strange(const Rows& found);

// One row: what has to be run so that this role may make what is missing; empty if it may.
extern const char* const kMissingGrant;

extern const char* const kReadVersion;  // one row

// Brings the schema to the last version, unless a node is alive on an earlier one; does nothing where it is
// reached or passed. Several nodes may run it at once, and it takes as long as it takes. The last Rows have
// one row: the version then, and the names of the nodes that are alive.
Unit migration(std::span<const std::string> steps);

}  // namespace drover::store::postgres
