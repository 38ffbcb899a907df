// What the engine wants stored, and whom it concerns: collected during one turn of its loop, then committed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "store/store.h"
#include "task/engine.h"
#include "task/open_task.h"

namespace drover::task {

// Beside each entry of the batch stands who is to hear of it; the vectors of a pair have the same length.
struct Turn {
  store::WriteBatch batch;
  std::vector<std::pair<OpenTaskPtr, Engine::Done<LiveTaskPtr>>> accepted;
  std::vector<std::pair<JobRef, std::uint32_t>> begun;  // and the slot of the lane
  std::vector<JobRef> ended;
  std::size_t output_held = 0;  // of the output budget, by the outcomes of these
  std::vector<OpenTaskPtr> finished;
  std::vector<OpenTaskPtr> parted;

  std::vector<Engine::Done<>> told;  // after the commit, or why there was none
  std::uint32_t failures = 0;        // so many commits had failed when this was given to the store
  SteadyTime given_at{};             // to the store

  bool anybody_waits() const { return !accepted.empty() || !told.empty(); }
  bool empty() const { return batch.empty() && told.empty(); }

  // What is to be stored first, with outcomes of `most` bytes, but one at least. The rest stays: outcomes,
  // and what waits for all of them, that tasks have ended and who is to be told.
  Turn take(std::size_t most);
  // Nothing of tasks that were refused meanwhile is to be stored.
  void drop_refused();

  void accept(const OpenTaskPtr& task, Engine::Done<LiveTaskPtr> done) {
    batch.accepted.push_back(std::move(task->task));
    accepted.emplace_back(task, std::move(done));
  }
  void begin(const JobRef& job, std::uint32_t slot, std::int64_t at_ms) {
    batch.begun.push_back({job.key(), at_ms});
    begun.emplace_back(job, slot);
  }
  void unbegin(const JobRef& job) { batch.unbegun.push_back(job.key()); }
  void end(const JobRef& job, store::JobOutcome outcome) {
    batch.ended.push_back({job.key(), std::move(outcome), job.task->id});
    ++job.task->unstored;
    ended.push_back(job);
  }
  void finish(const OpenTaskPtr& task, std::int64_t at_ms) {
    batch.finished.push_back({task->seq, at_ms, task->id});
    finished.push_back(task);
  }
  void part(const OpenTaskPtr& task, std::int64_t at_ms) {
    batch.parted.push_back({task->seq, at_ms, task->id});
    parted.push_back(task);
  }
};

}  // namespace drover::task
