#include "task/engine.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "store/errc.h"
#include "task/engine_impl.h"
#include "task/outcomes.h"
#include "task/planted.h"

namespace drover::task {
namespace {

constexpr Millis kCommitPatience{200};

// Jobs that are ended in one turn of the loop when a whole task is over: others get their turns in between.
constexpr std::uint32_t kEndsPerTurn = 4096;

Place place_of(const NewTask& task) { return {task.targets.size(), memory_of(task.command, task.targets)}; }

std::uint32_t step_end(const OpenTask& task, std::uint32_t first) {
  return first + std::min(kEndsPerTurn, static_cast<std::uint32_t>(task.phases.size()) - first);
}

}  // namespace

EngineImpl::EngineImpl(Loop& loop, fleet::Fleet& fleet, store::Store& store, EngineOptions options,
                       prometheus::Registry& registry)
    : loop_(loop),
      fleet_(fleet),
      store_(store),
      options_(options),
      metrics_(registry),
      board_(options.cache_bytes),
      output_budget_(options.output_memory),
      cluster_(store.cluster()),
      alone_(cluster_ == nullptr),
      watch_timer_([this] { drop_unwatched(); }),
      trust_timer_([this] { go_on_trusted(); }),
      admission_({options.max_queued_jobs, options.queue_memory},
                 {options.max_queued_jobs_per_project, options.queue_memory / 2}),
      patience_timer_([this] { give_up_waiting(); }),
      retry_timer_([this] { flush(); }) {
  fleet_.set_events(*this);
  if (cluster_ == nullptr) mine_.set();
  metrics_.shards.Set(static_cast<double>(mine_.count()));
}

void EngineImpl::accept(NewTask task, Done<LiveTaskPtr> done) {
  const Place place = place_of(task);
  if (auto entered = admission_.enter(task.project, place); !entered) return done(Failure(entered.error()));
  loop_.post([this, task = std::move(task), done = std::move(done)]() mutable {
    accept_now(std::move(task), std::move(done));
  });
}

void EngineImpl::accept_for_all(NewTask task, Done<LiveTaskPtr> done) {
  loop_.post([this, task = std::move(task), done = std::move(done)]() mutable {
    task.targets.clear();
    for (const fleet::Phone* phone : fleet_.phones(task.project)) task.targets.push_back(phone->id());
    if (auto entered = admission_.enter(task.project, place_of(task)); !entered) {
      return done(Failure(entered.error()));
    }
    accept_now(std::move(task), std::move(done));
  });
}

// It has its place already.
void EngineImpl::accept_now(NewTask request, Done<LiveTaskPtr> done) {
  if (cluster_ == nullptr) return accept_numbered(next_task_++, std::move(request), std::move(done));
  unnumbered_.emplace_back(std::move(request), std::move(done));
  if (std::exchange(number_wanted_, true)) return;
  loop_.post([this] { number_tasks(); });
}

// With several nodes the database counts: so that what is accepted later has the larger number, wherever.
void EngineImpl::number_tasks() {
  number_wanted_ = false;
  if (stopped_) return;
  if (!trusted()) {
    const Failure why = failure(Errc::kNotStored, "this node has lost touch with the database");
    for (auto& [request, done] : std::exchange(unnumbered_, {})) refuse(request, done, why);
    return;
  }
  auto batch = std::make_shared<decltype(unnumbered_)>(std::exchange(unnumbered_, {}));
  const auto count = static_cast<std::uint32_t>(batch->size());
  cluster_->number_tasks(count, [this, batch](Result<std::vector<std::int64_t>> numbers) {
    loop_.post([this, batch, numbers = std::move(numbers)] {
      for (std::size_t i = 0; i < batch->size(); ++i) {
        auto& [request, done] = (*batch)[i];
        if (!numbers) {
          refuse(request, done, failure(Errc::kNotStored));
        } else {
          accept_numbered((*numbers)[i], std::move(request), std::move(done));
        }
      }
    });
  });
}

void EngineImpl::refuse(const NewTask& request, const Done<LiveTaskPtr>& done, Failure why) {
  admission_.leave(request.project, place_of(request));
  done(std::move(why));
}

void EngineImpl::accept_numbered(std::int64_t seq, NewTask request, Done<LiveTaskPtr> done) {
  if (stopped_ || draining_) return refuse(request, done, failure(Errc::kDraining));
  if (const Result<> room = room_elsewhere(request); !room)
    return refuse(request, done, Failure(room.error()));
  const Place place = place_of(request);
  store::Task task;
  task.seq = seq;
  task.created_ms = loop_.clock().unix_ms();
  task.id = ids_.next(task.created_ms);
  task.project = request.project;
  task.command = std::move(request.command);
  task.targets = std::move(request.targets);
  task.start_deadline_s = request.start_deadline_s;
  task.run_timeout_s = request.run_timeout_s;
  if (request.audit) {
    request.audit->task = task.seq;
    turn_.batch.audit.push_back(*std::move(request.audit));
  }

  const OpenTaskPtr opened = open(std::move(task), place, Seconds(request.start_deadline_s));
  deal_out(opened);
  if (planted("answer-before-commit")) {
    opened->live = std::make_shared<LiveTask>(opened->task);
    board_.add(opened->live);
    std::exchange(done, [](const auto&) {})(opened->live);
  }
  turn_.accept(opened, std::move(done));
  metrics_.tasks.Increment();
  want_flush();
}

// What other nodes have to do is in their memory and counts there.
Result<> EngineImpl::room_elsewhere(const NewTask& request) const {
  if (cluster_ == nullptr) return {};
  const auto full = cluster_->full_shards(request.project);
  if (full.all.none() && full.project.none()) return {};
  store::ShardSet asked;
  for (const std::string& target : request.targets) asked.set(store::shard_of(request.project, target));
  if ((asked & full.all).any()) return failure(Errc::kQueueFull);
  if ((asked & full.project).any()) return failure(Errc::kProjectFull);
  return {};
}

// A new task's jobs to their lanes, or to the nodes that have them.
void EngineImpl::deal_out(const OpenTaskPtr& task) {
  const auto jobs = static_cast<std::uint32_t>(task->phases.size());
  store::ShardSet others;
  std::vector<std::uint32_t> unknown;
  for (std::uint32_t i = 0; i < jobs && !mine_.all(); ++i) {
    const fleet::Phone* phone = fleet_.find(task->project, task->task.targets[i]);
    if (phone == nullptr || is_mine(*phone)) continue;
    task->phases[i] = Phase::kElsewhere;
    others.set(phone->shard());
    ++task->elsewhere;
  }
  if (task->elsewhere > 0) {
    task->shared = true;
    task->open_jobs -= task->elsewhere;
    admission_.leave(task->project, {task->elsewhere, 0});
    metrics_.open.Decrement(task->elsewhere);
    turn_.batch.elsewhere.push_back({task->seq, others});
  }
  // Another node may have accepted something for the same phones that this one does not know yet. The commit
  // brings it, so these come behind it.
  task->queue_later = !alone_;
  for (std::uint32_t i = 0; i < jobs; ++i) {
    if (task->phases[i] != Phase::kQueued) continue;
    if (task->queue_later && fleet_.find(task->project, task->task.targets[i]) != nullptr) continue;
    queue_job(task, i);
  }
  if (jobs == 0) turn_.finish(task, task->task.created_ms);
}

OpenTaskPtr EngineImpl::open(store::Task task, Place place, Millis until_deadline) {
  const Id id = task.id;
  auto opened =
      std::make_shared<OpenTask>(std::move(task), loop_.clock().steady() + until_deadline, [this, id] {
        if (const auto it = open_.find(id); it != open_.end()) pass_deadline(OpenTaskPtr(it->second), 0);
      });
  opened->memory = place.bytes;
  opened->accepted_at = loop_.clock().steady();
  loop_.schedule(opened->deadline_timer, until_deadline);
  open_.emplace(id, opened);
  if (cluster_ != nullptr) {
    by_number_.emplace(opened->seq, opened);
    opened->shards.reserve(opened->task.targets.size());
    for (const std::string& target : opened->task.targets)
      opened->shards.push_back(store::shard_of(opened->project, target));
  }
  metrics_.open.Increment(opened->open_jobs);
  return opened;
}

// Before the task's request has been moved into a batch.
void EngineImpl::queue_job(const OpenTaskPtr& task, std::uint32_t index) {
  const fleet::Phone* phone = fleet_.find(task->project, task->request().targets[index]);
  if (phone == nullptr) return end_job({task, index}, phone_not_found(loop_.clock().unix_ms()));
  Lane& lane = lanes_[phone->slot()];
  lane.queue.push({task, index});
  want_turn(lane);
}

void EngineImpl::end_job(const JobRef& job, store::JobOutcome outcome) {
  job.phase() = Phase::kEnded;
  // Nobody is shown a job that took less than no time because the clock was set back.
  outcome.ended_ms = std::max(outcome.ended_ms, outcome.begun_ms);
  const std::int64_t now = outcome.ended_ms;
  if (planted("show-before-commit") && job.task->live) job.task->live->ended(job.index, outcome);
  turn_.end(job, std::move(outcome));
  if (--job.task->open_jobs == 0) jobs_ended(job.task, now);
  want_flush();
}

// All of this node's. Whether it was the last node the store finds out.
void EngineImpl::jobs_ended(const OpenTaskPtr& task, std::int64_t at_ms) {
  if (task->shared) {
    turn_.part(task, at_ms);
  } else {
    turn_.finish(task, at_ms);
  }
}

// Nothing more is to be done for it here.
void EngineImpl::forget(const OpenTaskPtr& task) {
  task->deadline_timer.cancel();
  by_number_.erase(task->seq);
  const auto it = open_.find(task->id);
  if (it != open_.end() && it->second == task) open_.erase(it);
}

Lane* EngineImpl::lane_of(const JobRef& job) {
  const fleet::Phone* phone = fleet_.find(job.task->project, job.task->request().targets[job.index]);
  return phone == nullptr ? nullptr : &lanes_[phone->slot()];
}

void EngineImpl::pass_deadline(const OpenTaskPtr& task, std::uint32_t first) {
  if (!task->live) {  // the commit that accepts it is still under way
    loop_.schedule(task->deadline_timer, kCommitPatience);
    return;
  }
  const std::int64_t now = loop_.clock().unix_ms();
  const std::uint32_t end = step_end(*task, first);
  for (std::uint32_t i = first; i < end; ++i) {
    const JobRef job{task, i};
    if (job.phase() != Phase::kQueued && job.phase() != Phase::kReady) continue;
    Lane* lane = lane_of(job);
    if (lane == nullptr) continue;  // its phone is just being removed, which ends the job
    end_job(job, expired(*lane->phone, task->request().start_deadline_s, now));
    if (lane->current == job) release_current(*lane);
    lane->queue.drop_ended();
  }
  if (end == task->phases.size()) return;
  loop_.post([this, task, end] {
    if (!stopped_) pass_deadline(task, end);
  });
}

void EngineImpl::cancel(std::int64_t project, const Id& task, Done<> done) {
  loop_.post([this, project, task, done = std::move(done)] {
    if (stopped_) return done(failure(Errc::kDraining));
    const auto it = open_.find(task);
    const bool whole = it != open_.end() && it->second->elsewhere == 0;
    if (whole && it->second->live && it->second->project == project) {
      const OpenTaskPtr open = it->second;
      return cancel_from(open, 0, [this, open, done](Result<> stored) {
        // Some of its jobs may have gone to other nodes in the middle of it.
        if (!stored || open->elsewhere == 0) return done(std::move(stored));
        cancel_everywhere(open->seq, done);
      });
    }
    // Perhaps it has finished: then there is nothing to cancel, which is no failure.
    find(project, task, [this, done](Result<LiveTaskPtr> found) {
      if (!found) return done(Failure(std::move(found.error())));
      if (cluster_ == nullptr || (*found)->finished()) return done({});
      cancel_everywhere((*found)->task().seq, done);
    });
  });
}

void EngineImpl::cancel_everywhere(std::int64_t task, Done<> done) {
  cluster_->cancel_task(task, [this, done = std::move(done)](Result<> told) {
    loop_.post([done, told = std::move(told)] {
      if (told || told.error().code == store::Errc::kNotFound) return done({});
      done(failure(told.error().code == store::Errc::kUnknownFate ? Errc::kNotKnown : Errc::kNotStored));
    });
  });
}

void EngineImpl::cancel_from(const OpenTaskPtr& task, std::uint32_t first, const Done<>& done) {
  const std::int64_t now = loop_.clock().unix_ms();
  const std::uint32_t end = step_end(*task, first);
  for (std::uint32_t i = first; i < end; ++i) {
    const JobRef job{task, i};
    const Phase phase = job.phase();
    if (phase == Phase::kEnded || phase == Phase::kElsewhere) continue;
    Lane* lane = lane_of(job);
    if (phase == Phase::kRunning) {
      if (lane != nullptr && lane->run) lane->run->cancel();
      continue;
    }
    end_job(job, cancelled(now));
    if (lane == nullptr || phase == Phase::kBeginning) continue;  // its commit will release the lane
    if (lane->current == job) release_current(*lane);
    lane->queue.drop_ended();
  }
  if (end == task->phases.size()) {
    turn_.told.push_back(done);
    return want_flush();
  }
  loop_.post([this, task, end, done] {
    if (!stopped_) cancel_from(task, end, done);
  });
}

LiveTaskPtr EngineImpl::find_in_memory(std::int64_t project, const Id& task) const {
  LiveTaskPtr found = board_.find(task);
  return found && found->task().project == project ? found : nullptr;
}

void EngineImpl::find(std::int64_t project, const Id& task, Done<LiveTaskPtr> done) {
  if (LiveTaskPtr found = board_.find(task)) {
    if (found->task().project != project) return done(failure(Errc::kNotFound));
    return done(std::move(found));
  }
  store_.read_task(task,
                   [this, project, done = std::move(done)](Result<std::optional<store::TaskRecord>> read) {
                     if (!read) return done(Failure(std::move(read.error())));
                     if (!*read || (*read)->task.project != project) return done(failure(Errc::kNotFound));
                     auto live = std::make_shared<LiveTask>(std::move(**read));
                     if (live->finished()) {
                       board_.add(live);
                     } else if (cluster_ != nullptr) {
                       watch(live);
                     }
                     done(std::move(live));
                   });
}

void EngineImpl::refresh(const LiveTaskPtr& task, std::function<void()> then) {
  if (cluster_ == nullptr || task->finished() || board_.find(task->task().id) == task) return then();
  store_.read_task(task->task().id,
                   [task, then = std::move(then)](Result<std::optional<store::TaskRecord>> read) {
                     if (read && *read) task->merge(std::move(**read));
                     then();
                   });
}

// Of its start deadline; a wall clock that was set back does not make it longer.
Millis EngineImpl::time_left(const store::Task& request) const {
  const std::int64_t deadline_ms = std::int64_t{request.start_deadline_s} * 1000;
  return Millis(
      std::clamp<std::int64_t>(request.created_ms + deadline_ms - loop_.clock().unix_ms(), 0, deadline_ms));
}

void EngineImpl::recover(store::Recovery recovery) {
  next_task_ = recovery.next_task;
  std::unordered_map<std::int64_t, std::int64_t> begun;
  begun.reserve(recovery.begun.size());
  for (const auto& job : recovery.begun) begun.emplace(job.job.packed(), job.at_ms);

  const std::int64_t now = loop_.clock().unix_ms();
  TakenUp all{.tasks = recovery.open.size()};
  for (store::TaskRecord& record : recovery.open) {
    store::Task request = record.task;
    std::vector<bool> has_ended(request.targets.size());
    Place place{request.targets.size(), memory_of(request.command, request.targets)};
    for (std::size_t i = 0; i < record.outcomes.size(); ++i) {
      has_ended[i] = record.outcomes[i].has_value();
      if (has_ended[i]) place.bytes += memory_of(*record.outcomes[i]);
    }
    admission_.take(request.project, place);

    auto live = std::make_shared<LiveTask>(std::move(record));
    board_.add(live);
    const OpenTaskPtr task = open(store::Task(request), place, time_left(request));
    task->live = std::move(live);
    for (std::uint32_t i = 0; i < has_ended.size(); ++i) {
      const JobRef job{task, i};
      if (has_ended[i]) {
        job.phase() = Phase::kEnded;
        --task->open_jobs;
        admission_.leave(task->project, {1, 0});
        metrics_.open.Decrement();
      } else if (const auto it = begun.find(job.key().packed()); it != begun.end()) {
        ++all.interrupted;
        task->live->begun(i);  // as was shown before
        if (planted("run-again")) {
          job.phase() = Phase::kReady;
          continue;
        }
        end_job(job, planted("interrupted-as-cancelled") ? cancelled(now) : interrupted(it->second, now));
      } else {
        ++all.going_on;
      }
    }
    if (task->open_jobs == 0 && (turn_.finished.empty() || turn_.finished.back() != task))
      turn_.finish(task, now);
  }
  if (all.tasks > 0) spdlog::info("{}", all.text());
  want_flush();
  // The fleet's phones are added after this; then the jobs that go on find their lanes.
  loop_.post([this] {
    std::vector<OpenTaskPtr> tasks;
    for (const auto& [id, task] : open_) {
      if (task->live) tasks.push_back(task);
    }
    std::sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a->seq < b->seq; });
    if (planted("forget-order")) std::reverse(tasks.begin(), tasks.end());
    for (const OpenTaskPtr& task : tasks) {
      for (std::uint32_t i = 0; i < task->phases.size(); ++i) {
        if (task->phases[i] == Phase::kQueued && !planted("forget-queued")) queue_job(task, i);
        if (task->phases[i] == Phase::kReady && planted("run-again"))
          set_current(*lane_of({task, i}), {task, i});
      }
    }
  });
}

void EngineImpl::drain(std::function<void()> done) {
  loop_.post([this, done = std::move(done)] {
    draining_ = true;
    admission_.close();
    drained_ = done;
    for (Lane& lane : lanes_) {
      if (lane.current && lane.current.phase() == Phase::kReady) put_back(lane);
    }
    if (cluster_ != nullptr) {
      cluster_->leave();
      close_shards(mine_);
    }
    check_drained();
  });
}

void EngineImpl::check_drained() {
  if (!drained_ || running_ > 0 || !under_way_.empty() || !turn_.empty()) return;
  std::exchange(drained_, nullptr)();
}

void EngineImpl::stop() {
  stopped_ = true;
  admission_.close();
  retry_timer_.cancel();
  patience_timer_.cancel();
  watch_timer_.cancel();
  trust_timer_.cancel();
  for (Lane& lane : lanes_) {
    lane.run.reset();
    lane.phone = nullptr;
  }
  for (auto& [id, task] : open_) task->deadline_timer.cancel();
}

std::unique_ptr<Engine> make_engine(Loop& loop, fleet::Fleet& fleet, store::Store& store,
                                    EngineOptions options, prometheus::Registry& registry) {
  return std::make_unique<EngineImpl>(loop, fleet, store, options, registry);
}

}  // namespace drover::task
