// A task as everybody may read it: what was asked, and what has become of each job so far.
//
// Only what is durable is shown: a job is "running" or ended here after the commit that says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/store.h"
#include "store/types.h"

namespace drover::task {

// One job, as shown. `outcome` is null until it has ended, and has no `out` and `err` (those are in the
// store).
struct JobView {
  store::JobState state;
  const store::JobOutcome* outcome;
};

struct Counts {
  std::uint32_t jobs = 0;
  std::uint32_t running = 0;
  std::uint32_t succeeded = 0;
  std::uint32_t failed = 0;
  std::uint32_t lost = 0;
  std::uint32_t cancelled = 0;

  std::uint32_t ended() const { return succeeded + failed + lost + cancelled; }
};

// Any thread. Written by the engine only.
class LiveTask {
 public:
  // With nothing but the request, or as the store remembers it.
  explicit LiveTask(store::Task task);
  explicit LiveTask(store::TaskRecord record);

  const store::Task& task() const { return task_; }

  // Every job has ended, and nothing changes any more.
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  Counts counts() const;

  // Calls `visit(index, JobView)` for jobs `first` to `first + limit - 1`, all as of one moment. `visit` must
  // be short: the engine waits meanwhile.
  template <typename Visit>
  void visit(Visit visit, std::size_t first = 0, std::size_t limit = static_cast<std::size_t>(-1)) const {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = first; i < states_.size() && i - first < limit; ++i)
      visit(i, JobView{states_[i], outcome(i)});
  }

  // Calls `told` once every job has ended: at once if so, else later on the engine's loop (so post to one's
  // own).
  void when_finished(std::function<void()> told);
  // Calls `hook` when somebody begins to wait for an end that has not come, or at once if somebody does.
  void set_on_wait(std::function<void()> hook);

  // Space for one form of answer made from a finished task, so that it is made once. Null until kept.
  std::shared_ptr<const std::string> kept_answer() const;
  void keep_answer(std::shared_ptr<const std::string> answer);

  // About how many bytes of memory it takes.
  std::size_t footprint() const;

  // The engine only.
  void begun(std::uint32_t index);    // again where a phone refused the command and it is sent anew
  void unbegun(std::uint32_t index);  // a planned stop comes before the phone has taken the command
  void ended(std::uint32_t index, store::JobOutcome outcome);
  void finish(std::int64_t at_ms);  // tells who waits
  // What the store knows, and this does not yet.
  void merge(store::TaskRecord record);
  std::int64_t finished_ms() const { return finished_ms_.load(std::memory_order_relaxed); }

 private:
  const store::JobOutcome* outcome(std::size_t index) const { return outcomes_[index].get(); }
  void count(store::JobState state);

  const store::Task task_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<store::JobState> states_;
  std::vector<std::unique_ptr<const store::JobOutcome>> outcomes_;
  Counts counts_;
  std::vector<std::function<void()>> waiters_;
  std::function<void()> on_wait_;
  std::shared_ptr<const std::string> answer_;

  std::atomic<bool> finished_{false};
  std::atomic<std::int64_t> finished_ms_{0};
};

using LiveTaskPtr = std::shared_ptr<LiveTask>;

}  // namespace drover::task
