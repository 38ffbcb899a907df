// A task that the engine is working on.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/timer_wheel.h"
#include "store/types.h"
#include "task/live_task.h"

namespace drover::task {

// Where a job stands for the engine, which is ahead of what is durable and shown.
enum class Phase : std::uint8_t {
  kQueued,     // in its phone's lane
  kBeginning,  // the commit that lets it begin is under way
  kReady,      // it may begin, but its phone is gone for the moment
  kRunning,    // OPEN has left
  kEnded,      // its outcome is on the way to the store, or there
  kElsewhere,  // another node's
};

// The engine's loop only. Lanes may name jobs of tasks that are over: a job's phase tells.
struct OpenTask {
  OpenTask(store::Task accepted, SteadyTime deadline_, std::function<void()> on_deadline)
      : task(std::move(accepted)),
        seq(task.seq),
        id(task.id),
        run_timeout_s(task.run_timeout_s),
        project(task.project),
        phases(task.targets.size(), Phase::kQueued),
        open_jobs(static_cast<std::uint32_t>(task.targets.size())),
        deadline(deadline_),
        deadline_timer(std::move(on_deadline)) {}

  // What was asked, wherever it is at the moment: here until the batch that accepts it takes it along,
  // afterwards in the live task.
  const store::Task& request() const { return live ? live->task() : task; }

  store::Task task;
  LiveTaskPtr live;  // null until the commit that accepts it
  std::int64_t seq;
  Id id;
  std::uint32_t run_timeout_s;
  std::int64_t project;
  std::vector<Phase> phases;
  std::vector<std::uint8_t> shards;  // of its jobs; empty with a single node
  std::uint32_t open_jobs;           // this node's that are not yet in phase kEnded
  std::uint32_t unstored = 0;        // outcomes that are on the way to the store
  std::uint32_t elsewhere = 0;       // in phase kElsewhere
  bool shared = false;               // another node has, or had, jobs of it, and may report its end
  bool queue_later = false;          // its jobs go to their lanes after the commit that accepts it
  std::vector<std::function<void()>> when_stored;
  std::uint64_t memory = 0;  // what it holds of the queue's memory
  bool refused = false;      // it could not be stored, and nobody was told of it
  SteadyTime accepted_at{};
  SteadyTime deadline;
  Timer deadline_timer;
};

using OpenTaskPtr = std::shared_ptr<OpenTask>;

// One job of an open task.
struct JobRef {
  OpenTaskPtr task;
  std::uint32_t index = 0;

  explicit operator bool() const { return task != nullptr; }
  bool operator==(const JobRef&) const = default;
  Phase& phase() const { return task->phases[index]; }
  store::JobKey key() const { return {task->seq, index}; }
};

}  // namespace drover::task
