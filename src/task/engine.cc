#include "task/engine.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

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
      admission_({options.max_queued_jobs, options.queue_memory},
                 {options.max_queued_jobs_per_project, options.queue_memory / 2}),
      patience_timer_([this] { give_up_waiting(); }),
      retry_timer_([this] { flush(); }) {
  fleet_.set_events(*this);
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
  const Place place = place_of(request);
  if (stopped_ || draining_) {
    admission_.leave(request.project, place);
    return done(failure(Errc::kDraining));
  }
  store::Task task;
  task.seq = next_task_++;
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
  const auto jobs = static_cast<std::uint32_t>(opened->phases.size());
  for (std::uint32_t i = 0; i < jobs; ++i) queue_job(opened, i);
  if (jobs == 0) turn_.finish(opened, opened->task.created_ms);
  if (planted("answer-before-commit")) {
    opened->live = std::make_shared<LiveTask>(opened->task);
    board_.add(opened->live);
    std::exchange(done, [](const auto&) {})(opened->live);
  }
  turn_.accept(opened, std::move(done));
  metrics_.tasks.Increment();
  want_flush();
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
  if (--job.task->open_jobs == 0) turn_.finish(job.task, now);
  want_flush();
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
    const auto it = open_.find(task);
    if (it != open_.end() && it->second->live && it->second->project == project) {
      return cancel_from(OpenTaskPtr(it->second), 0, done);
    }
    // Perhaps it has finished: then there is nothing to cancel, which is no failure.
    find(project, task, [done](Result<LiveTaskPtr> found) {
      if (!found) return done(Failure(std::move(found.error())));
      done({});
    });
  });
}

void EngineImpl::cancel_from(const OpenTaskPtr& task, std::uint32_t first, const Done<>& done) {
  const std::int64_t now = loop_.clock().unix_ms();
  const std::uint32_t end = step_end(*task, first);
  for (std::uint32_t i = first; i < end; ++i) {
    const JobRef job{task, i};
    const Phase phase = job.phase();
    if (phase == Phase::kEnded) continue;
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
                     if (live->finished()) board_.add(live);
                     done(std::move(live));
                   });
}

void EngineImpl::recover(store::Recovery recovery) {
  next_task_ = recovery.next_task;
  std::unordered_map<std::int64_t, std::int64_t> begun;
  begun.reserve(recovery.begun.size());
  for (const auto& job : recovery.begun) begun.emplace(job.job.packed(), job.at_ms);

  const std::int64_t now = loop_.clock().unix_ms();
  std::size_t going_on = 0;
  std::size_t interrupted_jobs = 0;
  for (store::TaskRecord& record : recovery.open) {
    store::Task request = record.task;
    // What is left of the deadline; a wall clock that was set back does not make it longer.
    const std::int64_t deadline_ms = std::int64_t{request.start_deadline_s} * 1000;
    const std::int64_t left_ms =
        std::clamp<std::int64_t>(request.created_ms + deadline_ms - now, 0, deadline_ms);
    std::vector<bool> has_ended(request.targets.size());
    Place place{request.targets.size(), memory_of(request.command, request.targets)};
    for (std::size_t i = 0; i < record.outcomes.size(); ++i) {
      has_ended[i] = record.outcomes[i].has_value();
      if (has_ended[i]) place.bytes += memory_of(*record.outcomes[i]);
    }
    admission_.take(request.project, place);

    auto live = std::make_shared<LiveTask>(std::move(record));
    board_.add(live);
    const OpenTaskPtr task = open(std::move(request), place, Millis(left_ms));
    task->live = std::move(live);
    for (std::uint32_t i = 0; i < has_ended.size(); ++i) {
      const JobRef job{task, i};
      if (has_ended[i]) {
        job.phase() = Phase::kEnded;
        --task->open_jobs;
        admission_.leave(task->project, {1, 0});
        metrics_.open.Decrement();
      } else if (const auto it = begun.find(job.key().packed()); it != begun.end()) {
        ++interrupted_jobs;
        task->live->begun(i);  // as was shown before
        if (planted("run-again")) {
          job.phase() = Phase::kReady;
          continue;
        }
        end_job(job, planted("interrupted-as-cancelled") ? cancelled(now) : interrupted(it->second, now));
      } else {
        ++going_on;
      }
    }
    if (task->open_jobs == 0 && (turn_.finished.empty() || turn_.finished.back() != task))
      turn_.finish(task, now);
  }
  if (!recovery.open.empty()) {
    spdlog::info("took up {} open tasks: {} jobs go on, {} had begun and end as interrupted",
                 recovery.open.size(), going_on, interrupted_jobs);
  }
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
        if (task->phases[i] == Phase::kReady && planted("run-again")) lane_of({task, i})->current = {task, i};
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
