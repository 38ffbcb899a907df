#include "store/postgres/full_shards.h"

#include <utility>

namespace drover::store::postgres {

void FullShards::look(const News& news) {
  std::unordered_map<std::int64_t, ShardSet> full;
  for (const OtherNode& other : news.others) {
    if (other.full.empty()) continue;
    const ShardSet shards = news.map.of(other.epoch);
    for (const std::int64_t project : other.full) full[project] |= shards;
  }
  const bool any = !full.empty();
  if (!any && !any_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  full_ = std::move(full);
  any_.store(any, std::memory_order_release);
}

Cluster::FullShards FullShards::of(std::int64_t project) const {
  if (!any_.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(mutex_);
  const auto shards = [&](std::int64_t whose) {
    const auto found = full_.find(whose);
    return found == full_.end() ? ShardSet() : found->second;
  };
  return {shards(0), shards(project)};
}

}  // namespace drover::store::postgres
