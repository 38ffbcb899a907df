#include "store/postgres/fair_share.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace drover::store::postgres {
namespace {

// Smaller differences are left as they are: shards that move cut the links of their phones.
constexpr std::size_t kWorthIt = 3;

// Whoever has most already keeps what cannot be divided.
ShardCounts targets_of(const ShardCounts& counts) {
  std::vector<std::pair<std::int64_t, std::size_t>> nodes(counts.begin(), counts.end());
  std::ranges::stable_sort(nodes, std::greater(), [](const auto& node) { return node.second; });
  std::size_t all = 0;
  for (const auto& [node, count] : nodes) all += count;
  ShardCounts targets;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    targets[nodes[i].first] = all / nodes.size() + (i < all % nodes.size() ? 1 : 0);
  return targets;
}

std::size_t beyond(std::size_t count, std::size_t limit) { return count > limit ? count - limit : 0; }

}  // namespace

std::optional<Gift> gift_of(std::int64_t giver, const ShardCounts& counts) {
  const std::size_t mine = counts.at(giver);
  std::size_t least = mine;
  for (const auto& [node, count] : counts) least = std::min(least, count);
  if (mine < least + kWorthIt) return std::nullopt;
  const ShardCounts targets = targets_of(counts);
  // What all have too much is laid in a row, and so is what all have too little.
  std::size_t place = 0;
  for (auto it = counts.begin(); it->first != giver; ++it) place += beyond(it->second, targets.at(it->first));
  const std::size_t spare = beyond(mine, targets.at(giver));
  for (const auto& [taker, count] : counts) {
    const std::size_t lacks = beyond(targets.at(taker), count);
    if (place < lacks && spare > 0) return Gift{taker, std::min(spare, lacks - place)};
    place -= std::min(place, lacks);
  }
  return std::nullopt;
}

}  // namespace drover::store::postgres
