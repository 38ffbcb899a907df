// For tests: the engine with everything real around it, a SQLite file, links over TCP, simulated phones.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/loop_call.h"
#include "store/sqlite/sqlite_store.h"
#include "task/engine.h"
#include "task/testing/phones.h"

namespace drover::task {

inline constexpr std::int64_t kProject = 1;
inline constexpr auto kPatience = std::chrono::seconds(30);

// The steady clock goes on as it does; the wall clock is moved.
class MovedClock final : public Clock {
 public:
  explicit MovedClock(Millis by) : by_(by.count()) {}
  std::int64_t unix_ms() const override { return Clock::unix_ms() + by_; }
  void move(Millis by) { by_ = by.count(); }

 private:
  std::atomic<std::int64_t> by_;
};

// One `drover serve`, without HTTP.
class Node {
 public:
  using WrapStore = std::function<std::unique_ptr<store::Store>(std::unique_ptr<store::Store>)>;

  // `wrap` may put a store of the test's own between the engine and the file.
  explicit Node(const std::string& path, EngineOptions options = {}, Millis clock_moved = Millis(0),
                const WrapStore& wrap = nullptr)
      : clock_(clock_moved), loop_(clock_, "engine") {
    auto opened = store::open_sqlite({path}, registry_);
    EXPECT_TRUE(opened) << opened.error().message;
    store_ = wrap ? wrap(std::move(*opened)) : std::move(*opened);
    on_loop([&] {
      fleet_ = std::make_unique<fleet::Fleet>(loop_.loop(), *store_, shared_keys(), registry_);
      engine_ = make_engine(loop_.loop(), *fleet_, *store_, options, registry_);
      engine_->recover(std::move(*store_->recover()));
      fleet_->start(std::move(*store_->instances()));
    });
  }
  ~Node() {
    on_loop([&] {
      engine_->stop();
      fleet_->stop();
    });
    store_->close();
    loop_.join();
  }

  Engine& engine() { return *engine_; }
  MovedClock& clock() { return clock_; }
  fleet::Fleet& fleet() { return *fleet_; }

  void add(const Phones& phones, std::size_t count) {
    std::vector<store::Instance> instances;
    for (std::size_t i = 0; i < count; ++i) {
      store::Instance instance;
      instance.project = kProject;
      instance.id = "p" + std::to_string(i);
      instance.address = phones.address(i);
      instances.push_back(std::move(instance));
    }
    std::promise<Result<>> stored;
    fleet_->put(std::move(instances), [&](Result<> result) { stored.set_value(std::move(result)); });
    const Result<> result = stored.get_future().get();
    ASSERT_TRUE(result) << result.error().message;
  }

  LiveTaskPtr accept(const std::string& command, std::vector<std::string> targets,
                     std::uint32_t run_timeout_s = 60, std::uint32_t start_deadline_s = 600,
                     std::int64_t project = kProject) {
    std::promise<Result<LiveTaskPtr>> accepted;
    engine_->accept({project, command, std::move(targets), start_deadline_s, run_timeout_s},
                    [&](Result<LiveTaskPtr> result) { accepted.set_value(std::move(result)); });
    Result<LiveTaskPtr> result = accepted.get_future().get();
    EXPECT_TRUE(result) << result.error().message;
    return result ? *result : nullptr;
  }

  void on_loop(const std::function<void()>& fn) { call_on(loop_.loop(), fn); }

 private:
  MovedClock clock_;
  prometheus::Registry registry_;
  std::unique_ptr<store::Store> store_;
  LoopThread loop_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<Engine> engine_;
};

inline bool wait_for_end(const LiveTaskPtr& task) {
  if (task == nullptr) {
    ADD_FAILURE() << "there is no task to wait for";
    return false;
  }
  const auto ended = std::make_shared<std::promise<void>>();
  task->when_finished([ended] { ended->set_value(); });
  return ended->get_future().wait_for(kPatience) == std::future_status::ready;
}

template <typename Condition>
bool eventually(Condition holds) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(Millis(5));
  }
  return true;
}

inline std::vector<store::JobOutcome> outcomes(const LiveTaskPtr& task) {
  std::vector<store::JobOutcome> all;
  task->visit([&](std::size_t, const JobView& job) {
    all.push_back(job.outcome ? *job.outcome : store::JobOutcome{});
  });
  return all;
}

class EngineTest : public testing::Test {
 protected:
  std::string database() const { return dir_ / "drover.db"; }
  TempDir dir_;
};

}  // namespace drover::task
