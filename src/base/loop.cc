#include "base/loop.h"

#include <pthread.h>

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

  void arm_ticker() {
    if (ticking || wheel.empty()) return;
    ticking = true;
    ticker.expires_after(TimerWheel::kTick);
    ticker.async_wait([this](boost::system::error_code error) {
      ticking = false;
      if (error) return;
      wheel.advance(clock.steady());
      arm_ticker();
    });
  }

  const Clock& clock;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard = asio::make_work_guard(context);
  asio::steady_timer ticker{context};
  bool ticking = false;
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
  // With nothing armed the ticker sleeps, so the wheel first has to learn what time it is.
  if (impl_->wheel.empty()) impl_->wheel.advance(clock_.steady());
  impl_->wheel.schedule(timer, clock_.steady() + after);
  impl_->arm_ticker();
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
