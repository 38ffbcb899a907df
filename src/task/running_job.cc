#include "task/running_job.h"

#include <utility>

#include "task/outcomes.h"

namespace drover::task {

RunningJob::RunningJob(Loop& loop, OutputBudget& budget, std::size_t max_output, OnEnd on_end)
    : loop_(loop),
      on_end_(std::move(on_end)),
      output_(budget, max_output),
      run_timer_([this] { kill(Killed::kTimeout); }) {}

void RunningJob::start(adb::Connection& link, const JobRef& job) {
  begun_ms_ = loop_.clock().unix_ms();
  loop_.schedule(run_timer_, Seconds(job.task->run_timeout_s));
  shell_ = link.shell(job.task->request().command, *this);
}

void RunningJob::cancel() { kill(Killed::kCancel); }

void RunningJob::kill(Killed why) {
  if (killed_ != Killed::kNo) return;
  killed_ = why;
  run_timer_.cancel();
  shell_->kill();
}

void RunningJob::on_end(const adb::ShellEnd& end) {
  run_timer_.cancel();
  on_end_(end);
}

store::JobOutcome RunningJob::outcome(const adb::ShellEnd& end, std::uint32_t run_timeout_s) {
  store::JobOutcome outcome;
  outcome.begun_ms = begun_ms_;
  outcome.ended_ms = loop_.clock().unix_ms();
  output_.move_into(outcome);
  if (killed_ == Killed::kTimeout) {
    timed_out(outcome, run_timeout_s);
  } else if (killed_ == Killed::kCancel) {
    outcome.state = store::JobState::kCancelled;
    outcome.error = store::JobError::kCancelled;
    outcome.message = "cancelled by a user while it ran";
  } else if (end.exit_code) {
    exited(outcome, *end.exit_code);
  } else {
    disconnected(outcome, end.why ? end.why.message() : "the phone closed the stream");
  }
  return outcome;
}

}  // namespace drover::task
