// For tests: a node without an engine, which keeps what its store tells it.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "store/cluster.h"
#include "store/postgres/postgres_store.h"

namespace drover::store::postgres {

// Who works in which shard: never two.
class Owners {
 public:
  void take(const ShardSet& shards, const void* who) {
    const std::lock_guard lock(mutex_);
    if (gone_.contains(who)) return;
    ShardSet taken;
    for (std::size_t i = 0; i < kShards; ++i) {
      if (!shards[i]) continue;
      taken[i] = owners_[i] != nullptr;
      owners_[i] = who;
    }
    EXPECT_EQ(taken.count(), 0u) << "these shards have two owners";
  }
  // Its address may have been another's.
  void welcome(const void* who) {
    const std::lock_guard lock(mutex_);
    gone_.erase(who);
  }
  // What may still come to it is nobody's.
  void forget(const void* who) {
    const std::lock_guard lock(mutex_);
    gone_.insert(who);
    for (const void*& owner : owners_)
      if (owner == who) owner = nullptr;
  }
  ShardSet of(const void* who) {
    const std::lock_guard lock(mutex_);
    ShardSet shards;
    for (std::size_t i = 0; i < kShards; ++i) shards[i] = owners_[i] == who;
    return shards;
  }
  void leave(const ShardSet& shards, const void* who) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < kShards; ++i)
      if (shards[i] && owners_[i] == who) owners_[i] = nullptr;
  }

 private:
  std::mutex mutex_;
  std::array<const void*, kShards> owners_{};  // guarded by mutex_
  std::set<const void*> gone_;                 // likewise
};

// Any thread.
class Member final : public ShardEvents {
 public:
  // What it answers at once, unless that is held back.
  enum class Call { kAlone, kDirectory, kCancel, kClose };

  Member(PostgresOptions options, Owners& owners) : owners_(owners) {
    owners_.welcome(this);
    options.on_fenced = [this](const std::string&) { note("fenced"); };
    auto opened = open_postgres(options, clock_, registry_);
    EXPECT_TRUE(opened) << opened.error().message;
    if (opened) store_ = std::move(*opened);
  }
  ~Member() { close(); }

  Store& store() { return *store_; }
  Cluster& cluster() { return *store_->cluster(); }

  Result<Cluster::Joined> join() {
    return cluster().join(*this, [this](DirectoryChange change, std::function<void()> done) {
      note(text_of(change));
      {
        const std::lock_guard lock(mutex_);
        if (change.identity) directory_.identity = *std::move(change.identity);
        if (change.instances && change.instances->all) directory_.instances.clear();
        if (change.instances) {
          for (Instance& instance : change.instances->there)
            directory_.instances[instance.id] = std::move(instance);
          for (const InstanceName& name : change.instances->removed) directory_.instances.erase(name.id);
        }
      }
      answer(Call::kDirectory, std::move(done));
    });
  }
  // As a process that has ended: others may have its shards.
  void vanish() { owners_.forget(this); }
  void close() {
    vanish();
    if (store_) store_->close();
  }

  void hold(Call call) {
    const std::lock_guard lock(mutex_);
    held_.insert(call);
  }
  void release(Call call) {
    {
      const std::lock_guard lock(mutex_);
      held_.erase(call);
    }
    answer_owed(call);
  }
  // And holds back what comes next.
  void answer_owed(Call call) {
    std::vector<std::function<void()>> owed;
    {
      const std::lock_guard lock(mutex_);
      owed = std::exchange(owed_[call], {});
    }
    for (const auto& done : owed) done();
  }
  std::size_t owes(Call call) {
    const std::lock_guard lock(mutex_);
    return owed_[call].size();
  }

  void note(std::string event) {
    const std::lock_guard lock(mutex_);
    log_.push_back(std::move(event));
  }
  std::vector<std::string> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  std::ptrdiff_t times(const std::string& event) {
    const std::lock_guard lock(mutex_);
    return std::ranges::count(log_, event);
  }

  ShardSet shards() { return owners_.of(this); }
  ShardSet wanted() {
    const std::lock_guard lock(mutex_);
    return wanted_;
  }
  void let_go(std::size_t shard) {
    owners_.leave(ShardSet().set(shard), this);
    cluster().shards_closed(ShardSet().set(shard));
  }
  // How often shards have come to it.
  std::ptrdiff_t gains() {
    const std::lock_guard lock(mutex_);
    return std::ranges::count_if(adoptions_, [](const Adoption& each) { return each.gained.any(); });
  }
  // What it was told. Of one project.
  struct Directory {
    IdentityRows identity;
    std::map<std::string, Instance> instances;
  };
  Directory directory() {
    const std::lock_guard lock(mutex_);
    return directory_;
  }
  // The last that brought this task; empty: none has.
  Adoption adopted(std::int64_t task) {
    const std::lock_guard lock(mutex_);
    Adoption found;
    for (const Adoption& each : adoptions_) {
      const auto of_task = [task](const TaskRecord& record) { return record.task.seq == task; };
      const auto it = std::ranges::find_if(each.tasks, of_task);
      if (it == each.tasks.end()) continue;
      found = {each.gained, {*it}, {}, {}};
      for (const auto& begun : each.begun)
        if (begun.job.task == task) found.begun.push_back(begun);
      if (std::ranges::count(each.cancelled, task) > 0) found.cancelled.push_back(task);
    }
    return found;
  }

 private:
  void on_adopt(Adoption adoption) override {
    const ShardSet gained = adoption.gained;
    for (const TaskRecord& record : adoption.tasks) note("adopt " + std::to_string(record.task.seq));
    {
      const std::lock_guard lock(mutex_);
      adoptions_.push_back(std::move(adoption));
    }
    owners_.take(gained, this);  // last: tests wait for it
  }
  void on_alone(bool alone, Applied done) override {
    note(alone ? "alone" : "not alone");
    answer(Call::kAlone, std::move(done));
  }
  void on_shards_wanted(const ShardSet& shards) override {
    note("wanted");
    {
      const std::lock_guard lock(mutex_);
      wanted_ = shards;
    }
    answer(Call::kClose, [this] {
      const ShardSet closed = wanted() & this->shards();
      owners_.leave(closed, this);
      cluster().shards_closed(closed);
    });
  }
  void on_cancel(std::int64_t task, Applied done) override {
    note("cancel " + std::to_string(task));
    answer(Call::kCancel, std::move(done));
  }
  std::vector<std::int64_t> full() override { return {}; }
  void on_finished(std::vector<std::int64_t> tasks) override {
    for (const std::int64_t task : tasks) note("finished " + std::to_string(task));
  }

  static std::string text_of(const DirectoryChange& change) {
    std::string text = "read";
    if (change.identity) text += " identities";
    if (change.instances && change.instances->all) text += " all instances";
    if (change.instances && !change.instances->all) {
      for (const Instance& instance : change.instances->there) text += " +" + instance.id;
      for (const InstanceName& name : change.instances->removed) text += " -" + name.id;
    }
    return text;
  }

  void answer(Call call, std::function<void()> done) {
    {
      const std::lock_guard lock(mutex_);
      if (held_.contains(call)) return owed_[call].push_back(std::move(done));
    }
    done();
  }

  Owners& owners_;
  Clock clock_;
  prometheus::Registry registry_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::set<Call> held_;
  std::map<Call, std::vector<std::function<void()>>> owed_;
  std::vector<std::string> log_;
  std::vector<Adoption> adoptions_;
  ShardSet wanted_;
  Directory directory_;

  std::unique_ptr<Store> store_;
};

}  // namespace drover::store::postgres
