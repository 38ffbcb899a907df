// Tasks and their jobs: accept, order, run, time out, cancel, finish.
//
// A job's way, and what is durable when:
//
//   accept()  --commit-->  queued  --commit-->  running: OPEN leaves for the phone  --commit-->  ended, told,
//   shown
//
// A phone's jobs wait in its lane, in the order accepted, and run one at a time. What the lanes and phones
// want stored during one turn of the loop goes to the store as one batch; a job whose phone is free when its
// task is accepted begins with the very commit that accepts it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fleet/fleet.h"
#include "store/cluster.h"
#include "store/store.h"
#include "task/board.h"
#include "task/errc.h"
#include "task/live_task.h"

namespace prometheus {
class Registry;
}

namespace drover::task {

struct EngineOptions {
  std::size_t max_output = std::size_t{1}
                           << 20;  // kept of a job's output, bytes; beyond that its head and tail
  std::size_t output_memory = std::size_t{512}
                              << 20;          // for the output of all jobs that run or are not stored yet
  std::uint64_t max_queued_jobs = 2'000'000;  // accepted and not ended, on this node
  std::uint64_t max_queued_jobs_per_project = 1'000'000;
  // About what open tasks may take, counted until a task's last job has ended; one project may take half of
  // it.
  std::size_t queue_memory = std::size_t{1} << 30;
  std::size_t cache_bytes = std::size_t{256} << 20;  // finished tasks kept in memory
  // For a commit of the store: then who waits for it is told kNotKnown, whatever becomes of it.
  Millis answer_patience{10'000};
};

// A request that has been checked: ids and command are well formed. Instances may be unknown: their jobs
// fail.
struct NewTask {
  std::int64_t project = 0;
  std::string command;
  std::vector<std::string> targets;  // 1 to JobKey::kMaxJobs
  std::uint32_t start_deadline_s = 600;
  std::uint32_t run_timeout_s = 60;
  // Durable with the task, or not at all. Its subject and instances are the task's own.
  std::optional<store::AuditEntry> audit = std::nullopt;
};

// Threads: what is marked "any thread" answers on the engine's loop, all else belongs to that loop, which is
// the fleet's too.
class Engine {
 public:
  template <typename T = void>
  using Done = std::function<void(Result<T>)>;

  virtual ~Engine() = default;

  // Any thread, and cheap: why any task of this project would be refused now. Asked before a request is
  // parsed.
  virtual Result<> may_accept(std::int64_t project) const = 0;

  // Any thread. Answers after the commit that makes the task durable; a refusal for want of room (kQueueFull,
  // kProjectFull, kDraining) may be told inside the call. kNotKnown: the task may be stored, now or later.
  virtual void accept(NewTask task, Done<LiveTaskPtr> done) = 0;
  // Any thread. The same for every instance that the project has at that moment, in the order of their ids.
  // With none, the task has no jobs and is finished at once.
  virtual void accept_for_all(NewTask task, Done<LiveTaskPtr> done) = 0;

  // Any thread. Jobs that have not begun end as CANCELLED, which is durable when it answers; those that run
  // are killed on their phones and end soon.
  virtual void cancel(std::int64_t project, const Id& task, Done<> done) = 0;

  // Any thread. From memory at once (`done` is called inside), else from the store. kNotFound also for other
  // projects' tasks.
  virtual void find(std::int64_t project, const Id& task, Done<LiveTaskPtr> done) = 0;
  // Any thread; null if it is not in memory, or is not the project's.
  virtual LiveTaskPtr find_in_memory(std::int64_t project, const Id& task) const = 0;

  // Takes what a stopped process left: jobs that had begun end as INTERRUPTED, the others wait for their
  // phones, with what is left of their start deadlines. Before the loop runs, before the fleet starts.
  virtual void recover(store::Recovery recovery) = 0;

  // Any thread. Accepts and begins no more; calls `done` when the last running job has ended and is stored.
  // What has not left for its phone by then goes on after the next start.
  virtual void drain(std::function<void()> done) = 0;
  // What still runs stays as it is in the store: the next start finds it INTERRUPTED. Nothing happens
  // afterwards.
  virtual void stop() = 0;

  // Any thread. `then` when what the store knows of the task's jobs shows in it: at once where all is here,
  // else on a thread of the store's.
  virtual void refresh(const LiveTaskPtr& task, std::function<void()> then) = 0;

  // With several nodes: what the store tells of shards goes here.
  virtual store::ShardEvents& shard_events() = 0;

  // Any thread: the store took the last batch.
  virtual bool healthy() const = 0;
};

// All outlive the engine. It becomes the fleet's FleetEvents.
std::unique_ptr<Engine> make_engine(Loop& loop, fleet::Fleet& fleet, store::Store& store,
                                    EngineOptions options, prometheus::Registry& registry);

}  // namespace drover::task
