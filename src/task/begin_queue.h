// Whose turn it is to begin a job: projects take turns, so that a task over 10,000 phones does not hold up
// another project's task over one.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

namespace drover::task {

// Lanes by their slots; each lane stands in it at most once (Lane::wants_turn).
class BeginQueue {
 public:
  bool empty() const { return turns_.empty(); }

  void push(std::int64_t project, std::uint32_t slot) {
    auto& slots = projects_[project];
    if (slots.empty()) turns_.push_back(project);
    slots.push_back(slot);
  }

  std::optional<std::uint32_t> pop() {
    if (turns_.empty()) return std::nullopt;
    const std::int64_t project = turns_.front();
    turns_.pop_front();
    const auto it = projects_.find(project);
    const std::uint32_t slot = it->second.front();
    it->second.pop_front();
    if (it->second.empty()) {
      projects_.erase(it);
    } else {
      turns_.push_back(project);
    }
    return slot;
  }

 private:
  std::unordered_map<std::int64_t, std::deque<std::uint32_t>> projects_;
  std::deque<std::int64_t> turns_;  // projects that have lanes waiting, each once
};

}  // namespace drover::task
