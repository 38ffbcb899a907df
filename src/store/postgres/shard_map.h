// Which node owns which shard, as last read from the database.
#pragma once

#include <array>
#include <cstdint>
#include <set>

#include "store/shards.h"

namespace drover::store::postgres {

struct ShardMap {
  std::int64_t version = 0;                    // of the map in the database; 0: not read yet
  std::array<std::int64_t, kShards> owners{};  // epochs; 0: nobody's
  bool alone = true;                           // no other node serves

  ShardSet of(std::int64_t epoch) const {
    ShardSet shards;
    for (std::size_t i = 0; i < kShards; ++i) shards[i] = owners[i] == epoch;
    return shards;
  }
  // Who owns any of these; nobody's are left out: whoever takes them looks at all open tasks.
  std::set<std::int64_t> owners_of(const ShardSet& shards) const {
    std::set<std::int64_t> nodes;
    for (std::size_t i = 0; i < kShards; ++i)
      if (shards[i] && owners[i] != 0) nodes.insert(owners[i]);
    return nodes;
  }
};

}  // namespace drover::store::postgres
