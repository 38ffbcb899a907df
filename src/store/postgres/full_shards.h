// Which shards' owners take no more jobs, for those who accept tasks on this node.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "store/cluster.h"
#include "store/postgres/node_rows.h"
#include "store/shards.h"

namespace drover::store::postgres {

class FullShards {
 public:
  // The loop.
  void look(const News& news);
  // Any thread.
  Cluster::FullShards of(std::int64_t project) const;

 private:
  std::atomic<bool> any_ = false;
  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, ShardSet> full_;  // by project; 0: for all. Guarded by mutex_
};

}  // namespace drover::store::postgres
