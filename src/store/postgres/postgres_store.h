// The Store in a PostgreSQL database, in its schema `drover`, which several nodes may share: cluster.h.
//
// One thread, a loop, does everything by four connections: one writes, one reads what is asked for, one reads
// what other nodes have changed of users and instances, one renews the lease and tells and hears of other
// nodes. All callbacks come on it.
//
// Differences from what store.h says of all engines:
//
// While the database cannot be reached, writes fail with kUnavailable at once. Those that were on their way
// when the connection broke wait until it is known whether they are stored; so they may be answered later
// than writes that were called after them.
//
// When another node has taken this one for dead, which happens only to one that did not renew its lease for
// 5 s, or whose node file was copied, everything fails with kFenced, for good.
//
// Changes of users and instances are answered when all nodes go by them, at the latest after 10 s.
//
// delete_old() begins with the oldest day; within a day with the task that finished first.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "store/postgres/schema.h"
#include "store/store.h"

namespace prometheus {
class Registry;
}

namespace drover::store {

struct PostgresOptions {
  std::string conninfo;   // as libpq reads it; never printed
  std::string node_name;  // shown to people and to other nodes
  // A file of this node's, made when missing and held while open: by it a start after a crash knows the lease
  // that was left behind, and need not wait for its end.
  std::string node_file;
  // Called once, on the store's thread, when the lease is lost. `twin`: what the node is called that has a
  // copy of `node_file` and came by that; else empty. May be empty.
  std::function<void(const std::string& twin)> on_fenced = {};
  // The versions of the schema: others than these are for tests. Needed until the store is open.
  std::span<const std::string> migrations = postgres::migrations();
};

// Connects, brings the schema to this version, and registers the node. Errors: std::errc::invalid_argument
// for a conninfo that is none; kUnavailable; kTooNew; kCorrupt: the schema is none of Drover's; kWrongClock:
// others serve, and this machine's clock is half a minute off; kOldNodes:
// the schema is of an earlier version, and nodes are alive on it; kLocked: another process of this machine
// has `node_file`. `clock` and `registry` outlive the store.
Result<std::unique_ptr<Store>> open_postgres(const PostgresOptions& options, const Clock& clock,
                                             prometheus::Registry& registry);

}  // namespace drover::store
