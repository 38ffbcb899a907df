#include <prometheus/gauge.h>

#include <utility>

#include "task/engine_impl.h"
#include "task/outcomes.h"
#include "task/planted.h"

namespace drover::task {
namespace {

// Until a node that has lost touch with the others looks again whether it may begin jobs.
constexpr Millis kTrustPause{100};

}  // namespace

void EngineImpl::on_phone_added(fleet::Phone& phone) {
  if (lanes_.size() <= phone.slot()) lanes_.resize(phone.slot() + 1);
  lanes_[phone.slot()].phone = &phone;
}

void EngineImpl::on_link_up(fleet::Phone& phone) {
  if (draining_) return;
  Lane& lane = lanes_[phone.slot()];
  if (lane.current && lane.current.phase() == Phase::kReady) {
    start_current(lane);
  } else {
    want_turn(lane);
  }
}

// The node may have lost touch for a moment: what was about to begin then, begins now.
void EngineImpl::go_on_trusted() {
  if (!trusted()) return loop_.schedule(trust_timer_, kTrustPause);
  for (const std::uint32_t slot : std::exchange(distrusted_, {})) {
    Lane& lane = lanes_[slot];
    if (lane.phone != nullptr && lane.current && lane.current.phase() == Phase::kReady) start_current(lane);
  }
  want_flush();
}

void EngineImpl::on_refused(fleet::Phone& phone) {
  Lane& lane = lanes_[phone.slot()];
  const std::int64_t now = loop_.clock().unix_ms();
  if (lane.current && lane.current.phase() == Phase::kReady) {
    end_job(lane.current, refused(now));
    clear_current(lane);
  }
  for (JobRef job = lane.queue.pop(); job; job = lane.queue.pop()) end_job(job, refused(now));
}

void EngineImpl::on_link_cut(fleet::Phone& phone) {
  if (lanes_[phone.slot()].run == nullptr) return;
  on_shell_end(phone.slot(), {std::nullopt, make_error_code(Errc::kLinkCut), true});
}

void EngineImpl::on_phone_removed(fleet::Phone& phone) {
  Lane& lane = lanes_[phone.slot()];
  const std::int64_t now = loop_.clock().unix_ms();
  if (lane.current && lane.current.phase() != Phase::kEnded) end_job(lane.current, phone_not_found(now));
  clear_current(lane);
  for (JobRef job = lane.queue.pop(); job; job = lane.queue.pop()) end_job(job, phone_not_found(now));
  lane.phone = nullptr;
}

void EngineImpl::want_turn(Lane& lane) {
  if (lane.wants_turn || lane.current || lane.queue.empty() || lane.phone->link() == nullptr ||
      !may_begin_in(*lane.phone)) {
    return;
  }
  lane.wants_turn = true;
  if (planted("send-before-commit")) begin_next(lane);
  begin_queue_.push(lane.phone->project(), lane.phone->slot());
  want_flush();
}

// The lane's turn has come: its next job begins with the commit of this turn.
void EngineImpl::begin_next(Lane& lane) {
  lane.wants_turn = false;
  if (lane.phone == nullptr || lane.current || lane.phone->link() == nullptr || !may_begin_in(*lane.phone)) {
    return;
  }
  set_current(lane, lane.queue.pop());
  if (!lane.current) return;
  if (planted("send-before-commit") && lane.current.task->live) {
    turn_.batch.begun.push_back({lane.current.key(), loop_.clock().unix_ms()});
    return start_current(lane);
  }
  lane.current.phase() = Phase::kBeginning;
  turn_.begin(lane.current, lane.phone->slot(), loop_.clock().unix_ms());
}

// The current job's beginning is durable: its command may leave for the phone.
void EngineImpl::start_current(Lane& lane) {
  const JobRef job = lane.current;
  const std::int64_t now = loop_.clock().unix_ms();
  if (loop_.clock().steady() >= job.task->deadline) {
    end_job(job, expired(*lane.phone, job.task->request().start_deadline_s, now));
    return release_current(lane);
  }
  if (draining_ || closing_[lane.phone->shard()]) return put_back(lane);
  if (!trusted()) {
    job.phase() = Phase::kReady;
    distrusted_.push_back(lane.phone->slot());
    if (!trust_timer_.armed()) loop_.schedule(trust_timer_, kTrustPause);
    return;
  }
  adb::Connection* link = lane.phone->link();
  if (link == nullptr || !link->online()) {
    job.phase() = Phase::kReady;
    return;
  }
  if (job.task->request().command.size() > link->max_command()) {
    store::JobOutcome outcome;
    outcome.error = store::JobError::kInternal;
    outcome.ended_ms = now;
    outcome.message =
        "the command is longer than this phone takes (" + std::to_string(link->max_command()) + " bytes)";
    end_job(job, std::move(outcome));
    return release_current(lane);
  }
  job.phase() = Phase::kRunning;
  job.task->live->begun(job.index);
  ++running_;
  metrics_.running.Increment();
  lane.run = std::make_unique<RunningJob>(
      loop_, output_budget_, options_.max_output,
      [this, slot = lane.phone->slot()](const adb::ShellEnd& end) { on_shell_end(slot, end); });
  lane.run->start(*link, job);
}

void EngineImpl::on_shell_end(std::uint32_t slot, const adb::ShellEnd& end) {
  Lane& lane = lanes_[slot];
  const JobRef job = lane.current;
  --running_;
  metrics_.running.Decrement();
  if (!end.may_have_begun && !lane.run->killed()) {
    // Nothing can have begun, so it may be tried again: over a new link, since this one refuses.
    lane.run.reset();
    fleet_.drop(*lane.phone, "the phone refused to open a shell");
    if (loop_.clock().steady() < job.task->deadline) {
      job.phase() = Phase::kReady;
      if (draining_ || closing_[lane.phone->shard()]) put_back(lane);
      return;
    }
    // The deadline has passed meanwhile, and nobody will look at it again.
    const auto& request = job.task->request();
    end_job(job, not_sent(end.why.message(), request.start_deadline_s, loop_.clock().unix_ms()));
    release_current(lane);
    return;
  }
  end_job(job, lane.run->outcome(end, job.task->run_timeout_s));
  turn_.output_held += lane.run->hand_over_budget();
  lane.run.reset();
  release_current(lane);
}

// The node is about to stop, or to give the shard away, and the current job's command has not left: it has
// not begun after all, and waits for the next start, or owner.
void EngineImpl::put_back(Lane& lane) {
  lane.current.phase() = Phase::kQueued;
  lane.current.task->live->unbegun(lane.current.index);
  turn_.unbegin(lane.current);
  lane.queue.push_front(lane.current);
  clear_current(lane);
  want_flush();
}

void EngineImpl::release_current(Lane& lane) {
  clear_current(lane);
  want_turn(lane);
}

void EngineImpl::set_current(Lane& lane, JobRef job) {
  lane.current = std::move(job);
  if (lane.current) ++busy_[lane.phone->shard()];
}

void EngineImpl::clear_current(Lane& lane) {
  if (!lane.current) return;
  lane.current = {};
  const std::uint8_t shard = lane.phone->shard();
  if (--busy_[shard] == 0 && closing_[shard]) close_idle();
}

}  // namespace drover::task
