// For tests: a clock that can be set forward, and what makes a loop notice.
#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "base/loop.h"

namespace drover::task {

// Goes on by itself, like every clock.
class TurnedClock final : public Clock {
 public:
  SteadyTime steady() const override { return Clock::steady() + Millis(ahead_); }
  std::int64_t unix_ms() const override { return Clock::unix_ms() + ahead_; }

  void turn(Millis by) { ahead_ += by.count(); }

 private:
  std::atomic<Millis::rep> ahead_{0};
};

// A loop sleeps by the kernel's clock until its next timer, however far its own is turned meanwhile: this
// timer wakes it at every tick. The loop's thread only.
class Heartbeat {
 public:
  explicit Heartbeat(Loop& loop) : loop_(loop), timer_([this] { beat(); }) {}

  void beat() {
    loop_.schedule(timer_, TimerWheel::kTick);
    if (const auto told = std::exchange(noticed_, nullptr)) told();
  }
  // `noticed` is called when the timers that the turn made due have fired, or fire just now.
  void turn(TurnedClock& clock, Millis by, std::function<void()> noticed) {
    clock.turn(by);
    noticed_ = std::move(noticed);
  }

 private:
  Loop& loop_;
  Timer timer_;
  std::function<void()> noticed_;
};

}  // namespace drover::task
