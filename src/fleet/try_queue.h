// Whose turn it is to connect.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace drover::fleet {

// Phones by slot. Only so many tries are under way at once: each costs the node a signature and a few
// packets, and more at once only makes all of them late. After a start the phones that were never tried go
// first: that some are known to fail must not keep the healthy ones waiting. But one turn in a while is
// theirs, so that phones which come and go without end do not shut them out.
class TryQueue {
 public:
  static constexpr unsigned kAtOnce = 256;
  static constexpr unsigned kTurnsOfFirst = 8;  // in a row, while failing ones wait

  void push(std::uint32_t slot, bool failing) { (failing ? failing_ : first_).push_back(slot); }
  void clear() {
    first_.clear();
    failing_.clear();
  }

  // The next slot, in the order of push(); nothing while kAtOnce tries are under way, or nobody waits. The
  // caller says begun() if it begins a try: the slot's phone may have gone meanwhile.
  std::optional<std::uint32_t> pop() {
    if (under_way_ >= kAtOnce || (first_.empty() && failing_.empty())) return std::nullopt;
    const bool first = failing_.empty() || (!first_.empty() && turns_of_first_ < kTurnsOfFirst);
    turns_of_first_ = first ? turns_of_first_ + 1 : 0;
    std::deque<std::uint32_t>& queue = first ? first_ : failing_;
    const std::uint32_t slot = queue.front();
    queue.pop_front();
    return slot;
  }

  void begun() { ++under_way_; }
  void over() { --under_way_; }

 private:
  std::deque<std::uint32_t> first_;
  std::deque<std::uint32_t> failing_;
  unsigned turns_of_first_ = 0;
  unsigned under_way_ = 0;
};

}  // namespace drover::fleet
