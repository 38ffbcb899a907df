// For tests: one `drover serve` of several on a PostgreSQL database, without HTTP.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/loop_call.h"
#include "store/postgres/postgres_store.h"
#include "task/engine.h"
#include "task/testing/phones.h"

namespace drover::task {

class ClusterNode {
 public:
  static constexpr std::int64_t kProject = 1;

  using WrapStore = std::function<std::unique_ptr<store::Store>(std::unique_ptr<store::Store>)>;

  // `wrap` may put a store of the test's own between the engine and the database.
  explicit ClusterNode(const store::PostgresOptions& options, const WrapStore& wrap = nullptr,
                       const EngineOptions& engine_options = {})
      : loop_(clock_, "engine") {
    auto opened = store::open_postgres(options, clock_, registry_);
    EXPECT_TRUE(opened) << opened.error().message;
    store_ = wrap ? wrap(*std::move(opened)) : *std::move(opened);
    auto instances = store_->instances();
    on_loop([&] {
      fleet_ = std::make_unique<fleet::Fleet>(loop_.loop(), *store_, shared_keys(), registry_);
      engine_ = make_engine(loop_.loop(), *fleet_, *store_, engine_options, registry_);
      fleet_->start(*std::move(instances));
    });
    const auto on_directory = [this](store::DirectoryChange change, std::function<void()> done) {
      if (!change.instances) return done();
      loop_.loop().post([this, changes = *std::move(change.instances), done = std::move(done)]() mutable {
        fleet_->apply(std::move(changes));
        done();
      });
    };
    const auto joined = store_->cluster()->join(engine_->shard_events(), on_directory);
    EXPECT_TRUE(joined) << joined.error().message;
  }
  ~ClusterNode() {
    stop();
    loop_.join();
  }

  // Without draining; what runs goes on on its phone.
  void halt() {
    if (std::exchange(halted_, true)) return;
    on_loop([&] {
      engine_->stop();
      fleet_->stop();
    });
  }
  void stop() {
    halt();
    store_->close();
  }

  Engine& engine() { return *engine_; }
  fleet::Fleet& fleet() { return *fleet_; }

  // Return when every node has them.
  void add(const Phones& phones, std::size_t count) {
    std::vector<store::Instance> instances;
    for (std::size_t i = 0; i < count; ++i)
      instances.push_back({.project = kProject, .id = "p" + std::to_string(i), .address = phones.address(i)});
    add(std::move(instances));
  }
  void add(std::vector<store::Instance> instances) {
    const Result<> stored =
        wait<Result<>>([&](auto done) { fleet_->put(std::move(instances), std::move(done)); });
    ASSERT_TRUE(stored) << stored.error().message;
  }

  // Phones that this node has, in the order of their ids.
  std::vector<std::string> mine() {
    std::vector<std::string> ids;
    on_loop([&] {
      for (const fleet::Phone* phone : fleet_->phones(kProject))
        if (fleet_->serves(*phone)) ids.push_back(phone->id());
    });
    return ids;
  }
  std::size_t shards() {
    for (const auto& family : registry_.Collect())
      if (family.name == "drover_shards") return static_cast<std::size_t>(family.metric.at(0).gauge.value);
    return 0;
  }

  LiveTaskPtr accept(const std::string& command, std::vector<std::string> targets) {
    return check(try_accept(command, std::move(targets)));
  }
  Result<LiveTaskPtr> try_accept(const std::string& command, std::vector<std::string> targets) {
    return wait<Result<LiveTaskPtr>>([&](auto done) {
      engine_->accept({kProject, command, std::move(targets)}, std::move(done));
    });
  }
  LiveTaskPtr accept_for_all(const std::string& command) {
    return check(wait<Result<LiveTaskPtr>>([&](auto done) {
      engine_->accept_for_all({kProject, command, {}}, std::move(done));
    }));
  }
  LiveTaskPtr find(const LiveTaskPtr& task) {
    return check(wait<Result<LiveTaskPtr>>(
        [&](auto done) { engine_->find(kProject, task->task().id, std::move(done)); }));
  }
  Result<> cancel(const LiveTaskPtr& task) {
    return wait<Result<>>([&](auto done) { engine_->cancel(kProject, task->task().id, std::move(done)); });
  }
  std::future<void> drain() {
    const auto drained = std::make_shared<std::promise<void>>();
    engine_->drain([drained] { drained->set_value(); });
    return drained->get_future();
  }
  void refresh(const LiveTaskPtr& task) {
    std::promise<void> shown;
    engine_->refresh(task, [&] { shown.set_value(); });
    shown.get_future().wait();
  }

  void on_loop(const std::function<void()>& fn) { call_on(loop_.loop(), fn); }

 private:
  template <typename T, typename Start>
  static T wait(Start start) {
    std::promise<T> answer;
    start([&answer](T got) { answer.set_value(std::move(got)); });
    return answer.get_future().get();
  }
  static LiveTaskPtr check(Result<LiveTaskPtr> task) {
    EXPECT_TRUE(task) << task.error().message;
    return task ? *task : nullptr;
  }

  Clock clock_;
  prometheus::Registry registry_;
  std::unique_ptr<store::Store> store_;
  LoopThread loop_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<Engine> engine_;
  bool halted_ = false;
};

}  // namespace drover::task
