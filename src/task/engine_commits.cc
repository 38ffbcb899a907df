#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "task/engine_impl.h"
#include "task/outcomes.h"
#include "task/planted.h"

namespace drover::task {
namespace {

// Jobs that begin in one turn of the loop. More would let a large task hold up everything else for a commit's
// time; fewer would waste commits.
constexpr int kBeginsPerTurn = 256;

// Of outcomes in a commit. After an outage all that ended meanwhile is stored: in one commit the database
// would have nothing to answer for longer than anybody waits.
constexpr std::size_t kMostBytes = std::size_t{16} << 20;

constexpr Millis kRetryPause{500};
// Until a node that has lost touch with the others looks again whether it may begin jobs.
constexpr Millis kTrustPause{100};

}  // namespace

void EngineImpl::want_flush() {
  if (flush_wanted_ || stopped_) return;
  flush_wanted_ = true;
  loop_.post([this] {
    flush_wanted_ = false;
    // Not a bug, but as on a slow disk: a wide window for those that need one.
    if (planted("late-commit") && !retry_timer_.armed()) return loop_.schedule(retry_timer_, Millis(30));
    if (!retry_timer_.armed()) flush();
  });
}

void EngineImpl::flush() {
  if (stopped_) return;
  if (!begin_queue_.empty() && !trusted()) {
    if (!trust_timer_.armed()) loop_.schedule(trust_timer_, kTrustPause);
  } else if (!draining_) {
    for (int i = 0; i < kBeginsPerTurn; ++i) {
      const auto slot = begin_queue_.pop();
      if (!slot) break;
      begin_next(lanes_[*slot]);
    }
    if (!begin_queue_.empty()) want_flush();
  }
  // While the store fails, an empty batch asks whether it works again.
  if (turn_.empty() && (healthy() || !under_way_.empty())) return check_drained();

  // The store hands the batch back on its own thread. The turn travels with it and is moved on at each step:
  // what it refers to may only be let go on our loop.
  auto turn = std::make_shared<Turn>(turn_.take(kMostBytes));
  // While the store fails, one asks for all whether it works again.
  if (!turn_.empty() && healthy()) want_flush();
  store::WriteBatch batch = std::exchange(turn->batch, {});
  turn->failures = failures_;
  turn->given_at = loop_.clock().steady();
  under_way_.push_back(turn);
  if (turn->anybody_waits() && !patience_timer_.armed())
    loop_.schedule(patience_timer_, options_.answer_patience);
  store_.write(std::move(batch), [this, turn = std::move(turn)](Result<> result,
                                                                store::WriteBatch written) mutable {
    turn->batch = std::move(written);
    loop_.post([this, turn = std::move(turn), result = std::move(result)] { on_committed(turn, result); });
  });
}

// Who waits for a commit that does not end hears so. What it holds goes on when the store has answered.
void EngineImpl::give_up_waiting() {
  const SteadyTime now = loop_.clock().steady();
  std::optional<Millis> next;
  for (const auto& turn : under_way_) {
    if (!turn->anybody_waits()) continue;
    const auto left = std::chrono::ceil<Millis>(turn->given_at + options_.answer_patience - now);
    if (left > Millis::zero()) {
      next = std::min(next.value_or(left), left);
      continue;
    }
    for (auto& [task, done] : turn->accepted)
      std::exchange(done, [](const auto&) {})(failure(Errc::kNotKnown));
    for (const auto& done : std::exchange(turn->told, {})) done(failure(Errc::kNotKnown));
  }
  if (next) loop_.schedule(patience_timer_, *next);
}

void EngineImpl::on_committed(const std::shared_ptr<Turn>& shared, const Result<>& result) {
  std::erase(under_way_, shared);
  Turn& turn = *shared;
  if (stopped_) return;
  if (result) {
    if (!healthy_.exchange(true)) spdlog::info("the store works again");
    if (!turn_.empty()) want_flush();
    publish(turn);
  } else {
    if (healthy_.exchange(false)) spdlog::error("the store failed, trying again: {}", result.error().message);
    take_back(turn);
  }
  check_drained();
}

// All of the turn is durable: let everybody know, and let what waited for it happen.
void EngineImpl::publish(Turn& turn) {
  store::WriteBatch& batch = turn.batch;
  for (std::size_t i = 0; i < turn.accepted.size(); ++i) {
    const OpenTaskPtr& task = turn.accepted[i].first;
    if (planted("answer-before-commit")) continue;
    task->live = std::make_shared<LiveTask>(std::move(batch.accepted[i]));
    if (task->elsewhere == 0) {
      board_.add(task->live);
    } else {
      watch(task->live);
    }
  }
  const SteadyTime now = loop_.clock().steady();
  for (std::size_t i = 0; i < turn.ended.size(); ++i) {
    const JobRef& job = turn.ended[i];
    --job.task->unstored;
    if (job.task->refused) continue;
    metrics_.open.Decrement();
    metrics_.results[static_cast<std::size_t>(batch.ended[i].outcome.error)]->Increment();
    metrics_.latency.Observe(std::chrono::duration<double>(now - job.task->accepted_at).count());
    const std::uint64_t memory = memory_of(batch.ended[i].outcome);
    job.task->memory += memory;
    admission_.job_ended(job.task->project, memory);
    job.task->live->ended(job.index, std::move(batch.ended[i].outcome));
  }
  output_budget_.give_back(turn.output_held);
  for (std::size_t i = 0; i < turn.finished.size(); ++i) {
    const OpenTaskPtr& task = turn.finished[i];
    if (task->refused) continue;
    task->live->finish(batch.finished[i].at_ms);
    board_.finished(task->live);
    admission_.leave(task->project, {0, task->memory});
    forget(task);
  }
  for (const OpenTaskPtr& task : turn.parted) {
    // Meanwhile it may have got jobs of others.
    if (task->refused || task->open_jobs > 0 || task->unstored > 0 || !by_number_.contains(task->seq))
      continue;
    // The store knows when it has finished, if it has.
    board_.remove(task->id);
    admission_.leave(task->project, {0, task->memory});
    forget(task);
  }
  for (auto& [task, done] : turn.accepted) done(task->live);
  for (auto& [task, done] : turn.accepted) queue_stored(task);
  if (turn.failures == failures_) {
    for (const auto& done : turn.told) done({});
  } else if (!turn.told.empty()) {
    // A commit before this one failed in the meantime: what they wait for may be in it, to be tried again.
    std::move(turn.told.begin(), turn.told.end(), std::back_inserter(turn_.told));
    want_flush();
  }
  for (const auto& [job, slot] : turn.begun) {
    Lane& lane = lanes_[slot];
    if (job.phase() == Phase::kBeginning) {
      start_current(lane);
      continue;
    }
    // It has ended meanwhile: cancelled, or its task was refused, and then no end of it will be stored.
    if (job.task->refused) {
      turn_.unbegin(job);
      want_flush();
    }
    if (lane.current == job) release_current(lane);
  }
}

// Its jobs come behind those that other nodes have accepted before.
void EngineImpl::queue_stored(const OpenTaskPtr& task) {
  for (const auto& then : std::exchange(task->when_stored, {})) then();
  if (std::exchange(task->queue_later, false)) {
    for (std::uint32_t i = 0; i < task->phases.size(); ++i)
      if (task->phases[i] == Phase::kQueued) queue_job(task, i);
  }
  if (task->open_jobs > 0 || task->elsewhere == 0 || !by_number_.contains(task->seq)) return;
  if (task->elsewhere < task->phases.size()) {
    turn_.part(task, loop_.clock().unix_ms());
    return want_flush();
  }
  // All of it is for others.
  admission_.leave(task->project, {0, task->memory});
  forget(task);
}

// Nothing of the turn is stored: what was to be accepted is refused, with its entries of the audit log, all
// else is tried again.
void EngineImpl::take_back(Turn& turn) {
  store::WriteBatch& batch = turn.batch;
  ++failures_;
  for (auto& [task, done] : turn.accepted) {
    task->refused = true;
    task->deadline_timer.cancel();
    std::fill(task->phases.begin(), task->phases.end(), Phase::kEnded);
    const std::size_t here = task->phases.size() - task->elsewhere;
    admission_.leave(task->project, {here, task->memory});
    metrics_.open.Decrement(static_cast<double>(here));
    by_number_.erase(task->seq);
  }
  for (std::size_t i = 0; i < turn.accepted.size(); ++i) open_.erase(batch.accepted[i].id);
  if (!turn.accepted.empty()) turn_.drop_refused();
  for (std::size_t i = 0; i < turn.begun.size(); ++i) {
    const auto& [job, slot] = turn.begun[i];
    if (job.phase() == Phase::kBeginning) {
      turn_.begin(job, slot, batch.begun[i].at_ms);
    } else if (lanes_[slot].current == job) {
      release_current(lanes_[slot]);
    }
  }
  turn_.batch.unbegun.insert(turn_.batch.unbegun.end(), batch.unbegun.begin(), batch.unbegun.end());
  for (std::size_t i = 0; i < turn.ended.size(); ++i) {
    const JobRef& job = turn.ended[i];
    --job.task->unstored;
    if (job.task->refused) continue;
    turn_.end(job, std::move(batch.ended[i].outcome));
    // A turn behind this one may say, and be stored, that these were all of the task here: now these are.
    if (job.task->shared && job.task->open_jobs == 0) turn_.part(job.task, loop_.clock().unix_ms());
  }
  turn_.output_held += turn.output_held;
  for (std::size_t i = 0; i < turn.finished.size(); ++i) {
    if (!turn.finished[i]->refused) turn_.finish(turn.finished[i], batch.finished[i].at_ms);
  }
  for (const OpenTaskPtr& task : turn.parted)
    if (!task->refused) turn_.part(task, loop_.clock().unix_ms());
  for (auto& [task, done] : turn.accepted) {
    done(failure(Errc::kNotStored));
    for (const auto& then : std::exchange(task->when_stored, {})) then();
  }
  for (const auto& done : turn.told) done(failure(Errc::kNotStored));
  loop_.schedule(retry_timer_, kRetryPause);
}

}  // namespace drover::task
