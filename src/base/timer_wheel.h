// Many deadlines at the price of a list node each: a hashed timing wheel.
//
// 100,000 phones have a reconnect, a run and a queue deadline each, nearly all of which are cancelled before
// they fire. Scheduling and cancelling take constant time and no allocation; firing is late by up to one
// tick, never early.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "base/clock.h"

namespace drover {

class TimerWheel;

// A place in a circular list.
struct TimerNode {
  TimerNode() = default;
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;

  void insert_before(TimerNode& at);
  void unlink();

  TimerNode* next = this;
  TimerNode* prev = this;
};

// One deadline. Owned by whoever waits; cancels itself when destroyed. Not movable: the wheel points at it.
class Timer : private TimerNode {
 public:
  explicit Timer(std::function<void()> fire) : fire_(std::move(fire)) {}
  ~Timer() { cancel(); }

  void cancel();
  bool armed() const { return wheel_ != nullptr; }

 private:
  friend class TimerWheel;

  std::function<void()> fire_;
  TimerWheel* wheel_ = nullptr;
  std::uint64_t tick_ = 0;
};

// Not thread-safe: belongs to one loop.
class TimerWheel {
 public:
  static constexpr Millis kTick{20};

  explicit TimerWheel(SteadyTime start) : start_(start) {}
  // Timers may outlive their wheel: they are disarmed.
  ~TimerWheel();

  // Arms `timer` (again, if it was armed) to fire at the first tick at or after `at`.
  void schedule(Timer& timer, SteadyTime at);

  // Fires what is due at `now`. A `fire` may arm or cancel any timer and destroy any but its own.
  void advance(SteadyTime now);

  bool empty() const { return armed_ == 0; }
  // When advance() may next find something to do; with nothing armed, in a turn's time.
  SteadyTime next_visit() const;

 private:
  friend class Timer;
  static constexpr std::size_t kSlots = 1024;  // one turn takes 20 s; later deadlines stay for further turns

  std::array<TimerNode, kSlots> slots_;
  SteadyTime start_;
  std::uint64_t now_ = 0;  // ticks already handled
  std::size_t armed_ = 0;
};

}  // namespace drover
