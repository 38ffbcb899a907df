#include "task/live_task.h"

#include <utility>

namespace drover::task {

using store::JobOutcome;
using store::JobState;

LiveTask::LiveTask(store::Task task)
    : task_(std::move(task)),
      states_(task_.targets.size(), JobState::kQueued),
      outcomes_(task_.targets.size()) {
  counts_.jobs = static_cast<std::uint32_t>(states_.size());
}

LiveTask::LiveTask(store::TaskRecord record) : LiveTask(std::move(record.task)) {
  for (std::size_t i = 0; i < record.outcomes.size() && i < states_.size(); ++i) {
    if (record.outcomes[i]) ended(static_cast<std::uint32_t>(i), std::move(*record.outcomes[i]));
  }
  for (const std::uint32_t index : record.begun) begun(index);
  if (task_.finished_ms != 0) finish(task_.finished_ms);
}

Counts LiveTask::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void LiveTask::when_finished(std::function<void()> told) {
  {
    const std::lock_guard lock(mutex_);
    if (!finished()) {
      waiters_.push_back(std::move(told));
      told = waiters_.size() == 1 ? on_wait_ : nullptr;
    }
  }
  if (told) told();
}

void LiveTask::set_on_wait(std::function<void()> hook) {
  {
    const std::lock_guard lock(mutex_);
    on_wait_ = hook;
    if (waiters_.empty()) return;
  }
  hook();
}

void LiveTask::merge(store::TaskRecord record) {
  std::vector<std::uint32_t> news;
  {
    const std::lock_guard lock(mutex_);
    for (std::uint32_t i = 0; i < record.outcomes.size() && i < outcomes_.size(); ++i)
      if (record.outcomes[i] && !outcomes_[i]) news.push_back(i);
  }
  for (const std::uint32_t index : news) ended(index, std::move(*record.outcomes[index]));
  for (const std::uint32_t index : record.begun)
    if (index < states_.size()) begun(index);
  if (record.task.finished_ms != 0 && !finished()) finish(record.task.finished_ms);
}

std::shared_ptr<const std::string> LiveTask::kept_answer() const {
  const std::lock_guard lock(mutex_);
  return answer_;
}

void LiveTask::keep_answer(std::shared_ptr<const std::string> answer) {
  const std::lock_guard lock(mutex_);
  answer_ = std::move(answer);
}

std::size_t LiveTask::footprint() const {
  const std::lock_guard lock(mutex_);
  std::size_t bytes = sizeof(LiveTask) + task_.command.size();
  for (const std::string& target : task_.targets) bytes += sizeof target + target.size();
  for (const auto& outcome : outcomes_) {
    bytes += sizeof outcome;
    if (outcome)
      bytes +=
          sizeof *outcome + outcome->message.size() + 2 * outcome->shown.size();  // and once in the answer
  }
  return bytes;
}

void LiveTask::begun(std::uint32_t index) {
  const std::lock_guard lock(mutex_);
  if (states_[index] != JobState::kQueued) return;
  states_[index] = JobState::kRunning;
  ++counts_.running;
}

void LiveTask::unbegun(std::uint32_t index) {
  const std::lock_guard lock(mutex_);
  if (states_[index] != JobState::kRunning) return;
  states_[index] = JobState::kQueued;
  --counts_.running;
}

void LiveTask::ended(std::uint32_t index, JobOutcome outcome) {
  // Assigning empty ones would keep their memory.
  (void)std::exchange(outcome.out, {});
  (void)std::exchange(outcome.err, {});
  auto kept = std::make_unique<const JobOutcome>(std::move(outcome));
  const std::lock_guard lock(mutex_);
  if (outcomes_[index]) return;  // it was read from the store before this was told
  if (states_[index] == JobState::kRunning) --counts_.running;
  states_[index] = kept->state;
  count(kept->state);
  outcomes_[index] = std::move(kept);
}

void LiveTask::finish(std::int64_t at_ms) {
  std::vector<std::function<void()>> waiters;
  {
    const std::lock_guard lock(mutex_);
    finished_ms_.store(at_ms, std::memory_order_relaxed);
    finished_.store(true, std::memory_order_release);
    waiters.swap(waiters_);
  }
  for (const auto& told : waiters) told();
}

void LiveTask::count(JobState state) {
  switch (state) {
    case JobState::kSucceeded:
      ++counts_.succeeded;
      break;
    case JobState::kFailed:
      ++counts_.failed;
      break;
    case JobState::kLost:
      ++counts_.lost;
      break;
    case JobState::kCancelled:
      ++counts_.cancelled;
      break;
    case JobState::kQueued:
    case JobState::kRunning:
      break;
  }
}

}  // namespace drover::task
