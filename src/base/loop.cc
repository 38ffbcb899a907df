#include "base/loop.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace drover {

namespace asio = boost::asio;
namespace {

// Woken this late, the loop was not running for a while: the process was stopped, or had too much to do.
constexpr Millis kStoodStill{200};
// So long it then reads what has come meanwhile before it looks at deadlines, once: an answer that is there
// wins over the deadline that it met.
constexpr Millis kReadFirst{200};

}  // namespace

struct Loop::Impl {
  explicit Impl(const Clock& c) : clock(c), wheel(c.steady()) {}

  // Takes all that was posted; a whole batch costs the poster one wake-up and the loop one handler.
  void drain() {
    {
      const std::lock_guard lock(mutex);
      running.swap(posted);
    }
    for (auto& fn : running) fn();
    running.clear();
  }

  // Sleeps until the wheel has something to look at, so that a loop with nothing but distant deadlines is at
  // rest.
  void arm_ticker() {
    if (wheel.empty()) return;
    wake_at = std::max(wheel.next_visit(), hold_until);
    ticker.expires_after(wake_at - clock.steady());
    ticker.async_wait([this](boost::system::error_code error) {
      if (!error) on_tick();  // else it was set anew
    });
  }

  void on_tick() {
    const SteadyTime now = clock.steady();
    const bool stood_still = now - std::exchange(wake_at, SteadyTime::max()) > kStoodStill;
    if (stood_still && hold_until == SteadyTime::min()) {
      hold_until = now + kReadFirst;
    } else {
      hold_until = SteadyTime::min();
      wheel.advance(now);
    }
    arm_ticker();
  }

  const Clock& clock;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard = asio::make_work_guard(context);
  asio::steady_timer ticker{context};
  SteadyTime wake_at = SteadyTime::max();     // when the ticker will wake us
  SteadyTime hold_until = SteadyTime::min();  // no timer fires before
  TimerWheel wheel;

  std::mutex mutex;
  std::vector<std::function<void()>> posted;   // guarded by mutex
  std::vector<std::function<void()>> running;  // the loop's thread only
};

Loop::Loop(const Clock& clock) : clock_(clock), impl_(std::make_unique<Impl>(clock)) {}
Loop::~Loop() = default;

void Loop::run() { impl_->context.run(); }
void Loop::stop() { impl_->context.stop(); }

void Loop::post(std::function<void()> fn) {
  bool wake = false;
  {
    const std::lock_guard lock(impl_->mutex);
    wake = impl_->posted.empty();
    impl_->posted.push_back(std::move(fn));
  }
  if (wake) asio::post(impl_->context, [impl = impl_.get()] { impl->drain(); });
}

void Loop::schedule(Timer& timer, Millis after) {
  const SteadyTime now = clock_.steady();
  // With nothing armed nobody told the wheel what time it is.
  if (impl_->wheel.empty()) impl_->wheel.advance(now);
  impl_->wheel.schedule(timer, now + after);
  if (now + after < impl_->wake_at) impl_->arm_ticker();
}

boost::asio::io_context& Loop::context() { return impl_->context; }

struct LoopThread::Thread {
  std::thread thread;
};

LoopThread::LoopThread(const Clock& clock, const char* name)
    : loop_(clock), thread_(std::make_unique<Thread>()) {
  thread_->thread = std::thread([this] { loop_.run(); });
  pthread_setname_np(thread_->thread.native_handle(), name);
}

LoopThread::~LoopThread() { join(); }

void LoopThread::join() {
  loop_.stop();
  if (thread_->thread.joinable()) thread_->thread.join();
}

}  // namespace drover
