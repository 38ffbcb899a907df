#include "task/board.h"

#include <utility>

namespace drover::task {

LiveTaskPtr Board::find(const Id& id) const {
  const Part& in = part(id);
  const std::lock_guard lock(in.mutex);
  const auto it = in.tasks.find(id);
  return it == in.tasks.end() ? nullptr : it->second;
}

void Board::add(LiveTaskPtr task) {
  Part& in = part(task->task().id);
  const std::lock_guard lock(in.mutex);
  const auto [it, added] = in.tasks.emplace(task->task().id, task);
  if (added && task->finished()) cache(in, task);
}

void Board::remove(const Id& id) {
  Part& in = part(id);
  const std::lock_guard lock(in.mutex);
  in.tasks.erase(id);
}

void Board::finished(const LiveTaskPtr& task) {
  Part& in = part(task->task().id);
  const std::lock_guard lock(in.mutex);
  cache(in, task);
}

void Board::cache(Part& in, const LiveTaskPtr& task) {
  const std::size_t bytes = task->footprint();
  in.cached.emplace_back(task->task().id, bytes);
  in.cached_bytes += bytes;
  const std::size_t at_least = part_cache_bytes_ > 0 ? 1 : 0;
  while (in.cached_bytes > part_cache_bytes_ && in.cached.size() > at_least) {
    in.cached_bytes -= in.cached.front().second;
    in.tasks.erase(in.cached.front().first);
    in.cached.pop_front();
  }
}

}  // namespace drover::task
