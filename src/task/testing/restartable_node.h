// For tests: one `drover serve` without HTTP, which may also die in the midst of everything.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "base/loop.h"
#include "base/loop_call.h"
#include "store/sqlite/sqlite_store.h"
#include "task/engine.h"
#include "task/testing/phones.h"
#include "task/testing/turned_clock.h"
#include "task/testing/unruly_store.h"

namespace drover::task {

class RestartableNode {
 public:
  RestartableNode(const std::string& path, TurnedClock& clock, std::uint64_t seed, EngineOptions options)
      : clock_(clock), loop_(clock, "engine") {
    auto opened = store::open_sqlite({path}, registry_);
    EXPECT_TRUE(opened) << opened.error().message;
    store_ = std::make_unique<UnrulyStore>(std::move(*opened), seed);
    on_loop([&] {
      fleet_ = std::make_unique<fleet::Fleet>(loop_.loop(), *store_, shared_keys(), registry_);
      engine_ = make_engine(loop_.loop(), *fleet_, *store_, options, registry_);
      found_ = *store_->recover();
      engine_->recover(found_);
      fleet_->start(std::move(*store_->instances()));
      heart_.beat();
    });
  }
  ~RestartableNode() {
    if (!dead_) stop();
  }

  // As SIGTERM ends it when it has drained, or does not wait for that.
  void stop() {
    on_loop([&] {
      engine_->stop();
      fleet_->stop();
    });
    store_->close();
    loop_.join();
    dead_ = true;
  }

  // As SIGKILL does, between any two steps of the engine; see UnrulyStore::die.
  void die(std::size_t stored) {
    loop_.join();
    store_->die(stored);
    engine_.reset();
    fleet_.reset();
    dead_ = true;
  }

  Engine& engine() { return *engine_; }
  fleet::Fleet& fleet() { return *fleet_; }
  UnrulyStore& store() { return *store_; }
  // What it had to take up when it was started.
  const store::Recovery& found() const { return found_; }

  // Returns when the timers that this makes due have fired. Between two handlers of the engine, so that none
  // sees two times.
  void turn_clock(Millis by) {
    std::promise<void> noticed;
    loop_.loop().post([&] { heart_.turn(clock_, by, [&] { noticed.set_value(); }); });
    noticed.get_future().wait();
    on_loop([] {});
  }

  // Waits until `fn` has run on the engine's loop.
  void on_loop(const std::function<void()>& fn) { call_on(loop_.loop(), fn); }

 private:
  TurnedClock& clock_;
  prometheus::Registry registry_;
  store::Recovery found_;
  LoopThread loop_;
  std::unique_ptr<UnrulyStore> store_;  // before the loop, which what it has lost refers to
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<Engine> engine_;
  Heartbeat heart_{loop_.loop()};
  bool dead_ = false;
};

}  // namespace drover::task
