// The jobs of one phone: one at a time, in the order accepted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "fleet/phone.h"
#include "task/running_job.h"

namespace drover::task {

// A queue that costs a phone without jobs three words.
class JobQueue {
 public:
  // Now and then it drops those that have ended without ever being begun: a phone that stays away must not
  // keep every task in memory that was cancelled, expired or refused meanwhile.
  void push(JobRef job) {
    if (jobs_.size() >= sweep_at_) sweep();
    jobs_.push_back(std::move(job));
  }

  // Before all others: it was popped, and has not begun.
  void push_front(JobRef job) {
    if (head_ > 0) {
      jobs_[--head_] = std::move(job);
    } else {
      jobs_.insert(jobs_.begin(), std::move(job));
    }
  }

  // The next job that still waits, or none. Those that ended meanwhile are dropped.
  JobRef pop() {
    while (head_ < jobs_.size()) {
      JobRef job = std::move(jobs_[head_++]);
      trim();
      if (job.phase() == Phase::kQueued) return job;
    }
    return {};
  }

  // Drops those at the front that have ended.
  void drop_ended() {
    while (head_ < jobs_.size() && jobs_[head_].phase() != Phase::kQueued) jobs_[head_++] = {};
    trim();
  }

  bool empty() const { return head_ == jobs_.size(); }
  std::size_t size() const { return jobs_.size() - head_; }  // with those that have ended

  static constexpr std::size_t kFirstSweep = 64;

 private:
  void trim() {
    if (head_ == jobs_.size()) {
      jobs_.clear();
      head_ = 0;
      if (jobs_.capacity() > kKeep) jobs_.shrink_to_fit();
    } else if (head_ > kKeep && head_ * 2 > jobs_.size()) {
      jobs_.erase(jobs_.begin(), jobs_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }

  void sweep() {
    std::erase_if(jobs_, [](const JobRef& job) { return !job || job.phase() != Phase::kQueued; });
    head_ = 0;
    sweep_at_ = std::max(kFirstSweep, 2 * jobs_.size());
  }

  static constexpr std::size_t kKeep = 16;

  std::vector<JobRef> jobs_;
  std::size_t head_ = 0;
  std::size_t sweep_at_ = kFirstSweep;
};

struct Lane {
  fleet::Phone* phone = nullptr;  // null: no phone has this slot
  bool wants_turn = false;        // it stands in the begin queue
  JobRef current;                 // in phase kBeginning, kReady or kRunning
  std::unique_ptr<RunningJob> run;
  JobQueue queue;
};

}  // namespace drover::task
