// One thread's event loop: handlers, timers and sockets of that thread, nothing shared.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/timer_wheel.h"

namespace boost::asio {
class io_context;
}

namespace drover {

class Loop {
 public:
  explicit Loop(const Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs handlers until stop(). Called by one thread, which is from then on "the loop's thread".
  void run();
  // Any thread; run() returns after the handler that is under way.
  void stop();

  // Any thread: `fn` runs on the loop's thread, after what was posted before it. Many posts cost one wake-up.
  void post(std::function<void()> fn);

  // The loop's thread only. After the loop (or the whole process) has stood still, sockets are read for a
  // moment before overdue timers fire.
  void schedule(Timer& timer, Millis after);
  const Clock& clock() const { return clock_; }

  // For sockets. Its handlers run on the loop's thread.
  boost::asio::io_context& context();

 private:
  struct Impl;
  const Clock& clock_;
  std::unique_ptr<Impl> impl_;
};

// A thread that runs a loop, named `name` (15 bytes at most) for `top` and the debugger. Stops and joins when
// destroyed.
class LoopThread {
 public:
  LoopThread(const Clock& clock, const char* name);
  ~LoopThread();

  Loop& loop() { return loop_; }
  // Stops the loop and waits for the thread. Idempotent.
  void join();

 private:
  struct Thread;
  Loop loop_;
  std::unique_ptr<Thread> thread_;
};

}  // namespace drover
