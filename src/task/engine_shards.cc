// What comes to this node from others that share the store, and goes to them.
#include <prometheus/gauge.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "task/engine_impl.h"
#include "task/outcomes.h"
#include "task/planted.h"

namespace drover::task {
namespace {

// Between looks for tasks whose end nobody waits for any more.
constexpr Millis kWatchSweep{1'000};

}  // namespace

void EngineImpl::on_adopt(store::Adoption adoption) {
  loop_.post([this, adoption = std::move(adoption)]() mutable {
    if (!stopped_) adopt(std::move(adoption));
  });
}

void EngineImpl::adopt(store::Adoption adoption) {
  mine_ |= adoption.gained;
  closing_ &= ~adoption.gained;
  metrics_.shards.Set(static_cast<double>(mine_.count()));
  std::unordered_map<std::int64_t, std::int64_t> begun;
  begun.reserve(adoption.begun.size());
  for (const auto& job : adoption.begun) begun.emplace(job.job.packed(), job.at_ms);

  TakenUp all;
  for (store::TaskRecord& record : adoption.tasks) {
    const std::int64_t seq = record.task.seq;
    const auto it = by_number_.find(seq);
    const OpenTaskPtr task = it != by_number_.end() ? it->second : take_up(record);
    if (task == nullptr) continue;
    take_jobs(task, record, begun, all);
    if (std::ranges::binary_search(adoption.cancelled, seq)) cancel_here(seq, [] {});
  }
  if (adoption.gained.any()) {
    if (all.tasks > 0) spdlog::info("{}", all.text());
    fleet_.serve(mine_);
  }
  // One that closes anew may have come and gone meanwhile.
  if (closing_.any()) close_idle();
  if (draining_ && adoption.gained.any()) close_shards(mine_);
  want_flush();
}

// A task that this node has nothing of yet; null if it still has nothing of it.
OpenTaskPtr EngineImpl::take_up(store::TaskRecord& record) {
  const store::Task& request = record.task;
  const auto jobs = static_cast<std::uint32_t>(request.targets.size());
  std::vector<Phase> phases(jobs, Phase::kElsewhere);
  std::uint32_t elsewhere = 0;
  bool mine = false;
  std::uint64_t memory = memory_of(request.command, request.targets);
  for (std::uint32_t i = 0; i < jobs; ++i) {
    if (record.outcomes[i]) {
      phases[i] = Phase::kEnded;
      memory += memory_of(*record.outcomes[i]);
      continue;
    }
    ++elsewhere;
    mine = mine || mine_[store::shard_of(request.project, request.targets[i])];
  }
  // Where every job has an outcome, whoever comes by reports the end.
  if (!mine && elsewhere > 0) return nullptr;
  admission_.take(request.project, {0, memory});
  const Millis left = time_left(request);
  auto live = std::make_shared<LiveTask>(record);
  const OpenTaskPtr task = open(store::Task(request), {0, memory}, left);
  metrics_.open.Decrement(jobs);
  task->live = std::move(live);
  task->phases = std::move(phases);
  task->elsewhere = elsewhere;
  task->shared = true;
  task->open_jobs = 0;
  watch(task->live);
  return task;
}

// Jobs of a task that were others' and are this node's now.
void EngineImpl::take_jobs(const OpenTaskPtr& task, store::TaskRecord& record,
                           const std::unordered_map<std::int64_t, std::int64_t>& begun, TakenUp& all) {
  const std::int64_t now = loop_.clock().unix_ms();
  const auto jobs = static_cast<std::uint32_t>(record.task.targets.size());
  std::vector<std::uint32_t> taken;
  for (std::uint32_t i = 0; i < jobs; ++i) {
    if (task->phases[i] != Phase::kElsewhere) continue;
    if (record.outcomes[i]) {
      if (!task->live) continue;  // its commit is still under way, and so it is not shown yet
      task->live->ended(i, *std::move(record.outcomes[i]));
      task->phases[i] = Phase::kEnded;
      --task->elsewhere;
    } else if (mine_[store::shard_of(task->project, record.task.targets[i])]) {
      task->phases[i] = Phase::kQueued;
      --task->elsewhere;
      ++task->open_jobs;
      taken.push_back(i);
    }
  }
  admission_.take(task->project, {taken.size(), 0});
  metrics_.open.Increment(static_cast<double>(taken.size()));
  if (task->elsewhere == 0 && task->live) board_.add(task->live);
  // Its start deadline may have passed while they were others'.
  if (!taken.empty() && !task->deadline_timer.armed()) loop_.schedule(task->deadline_timer, Millis(0));

  if (!taken.empty()) ++all.tasks;
  for (const std::uint32_t i : taken) {
    const JobRef job{task, i};
    if (const auto it = begun.find(job.key().packed()); it != begun.end()) {
      ++all.interrupted;
      if (task->live) task->live->begun(i);  // as was shown before
      if (planted("run-again")) {
        queue_job(task, i);
        continue;
      }
      end_job(job, planted("interrupted-as-cancelled") ? cancelled(now) : interrupted(it->second, now));
    } else {
      ++all.going_on;
      if (!task->queue_later && !planted("forget-queued")) queue_job(task, i);
    }
  }
  // Nothing of it was open, but its end was not reported.
  if (task->open_jobs == 0 && task->elsewhere == 0 && taken.empty()) turn_.part(task, now);
}

void EngineImpl::on_alone(bool alone, Applied done) {
  loop_.post([this, alone, done = std::move(done)] {
    alone_ = alone;
    fleet_.set_alone(alone);
    done();
  });
}

void EngineImpl::on_shards_wanted(const store::ShardSet& shards) {
  loop_.post([this, shards] {
    if (!stopped_ && !draining_) close_shards(shards & mine_);
  });
}

// Nothing begins any more in these, and again in those that were closing until now.
void EngineImpl::close_shards(const store::ShardSet& shards) {
  const store::ShardSet reopened = std::exchange(closing_, shards) & ~shards;
  for (Lane& lane : lanes_) {
    if (lane.phone == nullptr) continue;
    const std::uint8_t shard = lane.phone->shard();
    if (closing_[shard] && lane.current && lane.current.phase() == Phase::kReady) put_back(lane);
    if (reopened[shard]) want_turn(lane);
  }
  close_idle();
}

void EngineImpl::close_idle() {
  if (std::exchange(close_wanted_, true)) return;
  loop_.post([this] {
    close_wanted_ = false;
    if (stopped_) return;
    store::ShardSet idle;
    for (std::size_t i = 0; i < store::kShards; ++i) idle[i] = closing_[i] && busy_[i] == 0;
    if (idle.any()) hand_over(idle);
  });
}

// Nothing runs in these: their jobs and phones are no longer this node's, and when all is stored that was
// about them, others may have them.
void EngineImpl::hand_over(const store::ShardSet& shards) {
  closing_ &= ~shards;
  mine_ &= ~shards;
  metrics_.shards.Set(static_cast<double>(mine_.count()));
  for (Lane& lane : lanes_)
    if (lane.phone != nullptr && shards[lane.phone->shard()]) lane.queue = {};
  std::vector<OpenTaskPtr> all;
  for (const auto& [seq, task] : by_number_) all.push_back(task);
  for (const OpenTaskPtr& task : all) {
    // The request of one that is being stored is on its way with the batch.
    std::uint32_t given = 0;
    for (std::uint32_t i = 0; i < task->phases.size(); ++i) {
      if (task->phases[i] != Phase::kQueued || !shards[task->shards[i]]) continue;
      task->phases[i] = Phase::kElsewhere;
      ++given;
    }
    if (given == 0) continue;
    if (task->elsewhere == 0 && task->live) {
      board_.remove(task->live->task().id);
      watch(task->live);
    }
    task->shared = true;
    task->elsewhere += given;
    task->open_jobs -= given;
    admission_.leave(task->project, {given, 0});
    metrics_.open.Decrement(given);
    // What has ended here is stored before this is: if it was the last, the task has finished.
    if (task->open_jobs == 0 && task->live) turn_.part(task, loop_.clock().unix_ms());
  }
  fleet_.serve(mine_);
  say_closed(shards);
}

void EngineImpl::say_closed(const store::ShardSet& shards) {
  turn_.told.push_back([this, shards](const Result<>& stored) {
    if (stored) return cluster_->shards_closed(shards);
    loop_.post([this, shards] {
      if (!stopped_) say_closed(shards);
    });
  });
  want_flush();
}

void EngineImpl::on_cancel(std::int64_t task, Applied done) {
  loop_.post([this, task, done = std::move(done)] {
    if (!stopped_) cancel_here(task, done);
  });
}

void EngineImpl::cancel_here(std::int64_t seq, const Applied& done) {
  const auto it = by_number_.find(seq);
  if (it == by_number_.end()) return done();
  const OpenTaskPtr task = it->second;
  if (!task->live) {
    task->when_stored.push_back([this, seq, done] { cancel_here(seq, done); });
    return;
  }
  cancel_from(task, 0, [this, seq, done](const Result<>& stored) {
    if (stored) return done();
    loop_.post([this, seq, done] {
      if (!stopped_) cancel_here(seq, done);
    });
  });
}

// Whoever waits for a task of which other nodes have jobs is told when the store says that it has finished.
void EngineImpl::watch(const LiveTaskPtr& task) {
  task->set_on_wait([this, weak = std::weak_ptr(task), seq = task->task().seq, id = task->task().id] {
    loop_.post([this, weak, seq, id] {
      Watched& watched = watched_[seq];
      watched.id = id;
      watched.tasks.push_back(weak);
      cluster_->watch(seq);
      if (!watch_timer_.armed()) loop_.schedule(watch_timer_, kWatchSweep);
    });
  });
}

void EngineImpl::on_finished(std::vector<std::int64_t> tasks) {
  loop_.post([this, tasks = std::move(tasks)] {
    for (const std::int64_t task : tasks) {
      const auto it = watched_.find(task);
      if (!stopped_ && it != watched_.end()) read_watched(task, it->second.id);
    }
  });
}

void EngineImpl::read_watched(std::int64_t task, const Id& id) {
  store_.read_task(id, [this, task](Result<std::optional<store::TaskRecord>> read) {
    loop_.post([this, task, read = std::move(read)] {
      const auto it = watched_.find(task);
      if (stopped_ || it == watched_.end()) return;
      // One that is no more there has finished long ago; who waits for it hears nothing new.
      if (read && !*read) return void(watched_.erase(it));
      if (!read || (*read)->task.finished_ms == 0) return cluster_->watch(task);
      Watched watched = std::move(it->second);
      watched_.erase(it);
      for (const auto& weak : watched.tasks)
        if (const LiveTaskPtr live = weak.lock()) live->merge(**read);
    });
  });
}

void EngineImpl::drop_unwatched() {
  for (auto it = watched_.begin(); it != watched_.end();) {
    std::erase_if(it->second.tasks, [](const auto& weak) {
      const LiveTaskPtr live = weak.lock();
      return live == nullptr || live->finished();
    });
    if (!it->second.tasks.empty()) {
      ++it;
      continue;
    }
    cluster_->unwatch(it->first);
    it = watched_.erase(it);
  }
  if (!watched_.empty()) loop_.schedule(watch_timer_, kWatchSweep);
}

}  // namespace drover::task
