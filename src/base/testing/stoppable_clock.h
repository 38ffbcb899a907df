// For tests: a clock that can be stopped, so that what must succeed within a time limit may take its time.
#pragma once

#include <mutex>
#include <optional>

#include "base/clock.h"

namespace drover {

// The steady clock stands while it is stopped, and goes on from there; the wall clock always goes.
class StoppableClock : public Clock {
 public:
  SteadyTime steady() const override {
    const std::lock_guard lock(mutex_);
    return stopped_at_.value_or(Clock::steady() - behind_);
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    if (!stopped_at_) stopped_at_ = Clock::steady() - behind_;
  }
  void go() {
    const std::lock_guard lock(mutex_);
    if (stopped_at_) behind_ = Clock::steady() - *stopped_at_;
    stopped_at_.reset();
  }

 private:
  mutable std::mutex mutex_;
  std::optional<SteadyTime> stopped_at_;
  SteadyTime::duration behind_{0};
};

}  // namespace drover
