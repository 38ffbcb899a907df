// Who gives how many shards to whom, so that all nodes have about as many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace drover::store::postgres {

struct Gift {
  std::int64_t taker = 0;  // an epoch
  std::size_t count = 0;
};

// How many shards each node has that may be given some, by epoch.
using ShardCounts = std::map<std::int64_t, std::size_t>;

// What `giver`, which is among them, is to give away next; nothing if that is not worth the cut links. Every
// node works this out for itself: for the same counts the gifts of all fit together, so that nobody gets more
// than its share.
std::optional<Gift> gift_of(std::int64_t giver, const ShardCounts& counts);

}  // namespace drover::store::postgres
