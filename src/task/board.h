// Where tasks are found by id: all that are open, and those that finished last.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "task/live_task.h"

namespace drover::task {

// Any thread. Split into parts with a lock each, held for one look-up.
class Board {
 public:
  // Finished tasks stay while all of them together take less than about `cache_bytes`; the last one of each
  // part stays in any case (unless `cache_bytes` is 0), so that paging through a giant does not read it anew
  // for each page.
  explicit Board(std::size_t cache_bytes) : part_cache_bytes_(cache_bytes / kParts) {}

  // Null if it is not here; the store may still know it.
  LiveTaskPtr find(const Id& id) const;
  // An open task, which stays until it is told to be finished(); or a finished one, to be kept for a while.
  void add(LiveTaskPtr task);
  // An open task of which other nodes have jobs from now on: the store knows more of it.
  void remove(const Id& id);
  // The task has finished: from now on it may be dropped for newer ones.
  void finished(const LiveTaskPtr& task);

 private:
  static constexpr std::size_t kParts = 16;

  struct Part {
    mutable std::mutex mutex;
    std::unordered_map<Id, LiveTaskPtr> tasks;
    std::deque<std::pair<Id, std::size_t>> cached;  // finished ones with their footprint, oldest first
    std::size_t cached_bytes = 0;
  };

  Part& part(const Id& id) { return parts_[std::hash<Id>()(id) % kParts]; }
  const Part& part(const Id& id) const { return parts_[std::hash<Id>()(id) % kParts]; }
  void cache(Part& part, const LiveTaskPtr& task);

  std::size_t part_cache_bytes_;
  std::array<Part, kParts> parts_;
};

}  // namespace drover::task
