// What a node knows of the others that share its database, and what the parts of its membership ask of the
// whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/loop.h"
#include "store/cluster.h"
#include "store/postgres/connection.h"
#include "store/postgres/node_rows.h"
#include "store/postgres/write.h"

namespace drover::store::postgres {

// Belongs to its loop, but for the atomics, which any thread may read.
struct Peers {
  Loop& loop;
  Connection& lease;
  const std::int64_t epoch;

  std::function<void()> pulse;        // asks for news now, or when those under way have come
  std::function<void()> tell_others;  // that something was stored
  std::function<void(std::unique_ptr<Write>)> submit;

  News news;                      // the last
  ShardMap map;                   // of these, as far as it counts here
  ShardEvents* events = nullptr;  // from join() until stop()
  bool joined = false;            // others may know of this node
  bool settled = false;           // they do, and it has its share
  bool over = false;              // nothing is to happen any more

  std::atomic<std::int64_t> known;  // the version of the directory that counts here
  std::atomic<bool> alone{false};   // nobody else serves, and it counts here

  SteadyTime now() const { return loop.clock().steady(); }
  std::vector<const OtherNode*> serving() const;
  std::vector<const OtherNode*> takers() const;  // of these, who may be given shards
};

// The one parameter of many statements.
inline Params of_number(std::int64_t number) {
  Params params;
  params.add(number);
  return params;
}

}  // namespace drover::store::postgres
