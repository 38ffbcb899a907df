// Tasks that end on other nodes and for whose end somebody waits here; and whether others wait so.
//
// A node that has all jobs of a task need not tell anybody when it ends. As long as somebody waits elsewhere
// it does: whoever waits says so once a second, on the channel of hints.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/postgres/peers.h"

namespace drover::store::postgres {

// Belongs to its loop.
class WatchedTasks {
 public:
  // `peers` outlives it.
  explicit WatchedTasks(Peers& peers) : peers_(peers) {}

  // Whether that is new.
  bool add(std::int64_t task);
  void remove(std::int64_t task) { tasks_.erase(task); }
  bool empty() const { return tasks_.empty(); }
  std::vector<std::int64_t> all() const { return {tasks_.begin(), tasks_.end()}; }
  // Says it if it is time to.
  void announce();
  // Tells of those that have finished.
  void look();

  // A hint: whether it says that a node waits, this one or another.
  bool heard(std::string_view payload);
  bool others_wait() const { return peers_.now() < others_wait_until_; }

 private:
  Peers& peers_;
  std::set<std::int64_t> tasks_;
  SteadyTime announced_at_{};
  SteadyTime others_wait_until_{};
};

}  // namespace drover::store::postgres
