// The engine's inside. Only engine*.cc include this.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/id.h"
#include "base/loop.h"
#include "task/admission.h"
#include "task/begin_queue.h"
#include "task/engine.h"
#include "task/lane.h"
#include "task/metrics.h"
#include "task/turn.h"

namespace drover::task {

class EngineImpl final : public Engine, private fleet::FleetEvents {
 public:
  EngineImpl(Loop& loop, fleet::Fleet& fleet, store::Store& store, EngineOptions options,
             prometheus::Registry& registry);

  Result<> may_accept(std::int64_t project) const override { return admission_.check(project); }
  void accept(NewTask task, Done<LiveTaskPtr> done) override;
  void accept_for_all(NewTask task, Done<LiveTaskPtr> done) override;
  void cancel(std::int64_t project, const Id& task, Done<> done) override;
  void find(std::int64_t project, const Id& task, Done<LiveTaskPtr> done) override;
  LiveTaskPtr find_in_memory(std::int64_t project, const Id& task) const override;
  void recover(store::Recovery recovery) override;
  void drain(std::function<void()> done) override;
  void stop() override;
  bool healthy() const override { return healthy_.load(std::memory_order_relaxed); }

 private:
  friend class EngineProbe;  // for tests

  // engine.cc: tasks come, end, are cancelled.
  void accept_now(NewTask task, Done<LiveTaskPtr> done);
  OpenTaskPtr open(store::Task task, Place place, Millis until_deadline);
  void queue_job(const OpenTaskPtr& task, std::uint32_t index);
  void pass_deadline(const OpenTaskPtr& task, std::uint32_t first);
  void end_job(const JobRef& job, store::JobOutcome outcome);
  void cancel_from(const OpenTaskPtr& task, std::uint32_t first, const Done<>& done);
  Lane* lane_of(const JobRef& job);

  // engine_lanes.cc: what becomes of the jobs of one phone.
  void on_phone_added(fleet::Phone& phone) override;
  void on_link_up(fleet::Phone& phone) override;
  void on_refused(fleet::Phone& phone) override;
  void on_link_cut(fleet::Phone& phone) override;
  void on_phone_removed(fleet::Phone& phone) override;
  void want_turn(Lane& lane);
  void begin_next(Lane& lane);
  void start_current(Lane& lane);
  void on_shell_end(std::uint32_t slot, const adb::ShellEnd& end);
  void put_back(Lane& lane);
  void release_current(Lane& lane);

  // engine_commits.cc: what is stored, and what follows from it.
  void want_flush();
  void flush();
  void on_committed(const std::shared_ptr<Turn>& shared, const Result<>& result);
  void publish(Turn& turn);
  void take_back(Turn& turn);
  void give_up_waiting();
  void check_drained();

  Loop& loop_;
  fleet::Fleet& fleet_;
  store::Store& store_;
  const EngineOptions options_;
  Metrics metrics_;
  Board board_;
  OutputBudget output_budget_;

  IdMaker ids_;
  std::int64_t next_task_ = 1;
  std::unordered_map<Id, OpenTaskPtr> open_;
  Admission admission_;

  std::vector<Lane> lanes_;  // by the phone's slot
  BeginQueue begin_queue_;
  std::uint32_t running_ = 0;

  Turn turn_;
  bool flush_wanted_ = false;
  std::vector<std::shared_ptr<Turn>> under_way_;  // given to the store
  Timer patience_timer_;                          // armed while somebody waits for these
  std::uint32_t failures_ = 0;                    // of commits
  Timer retry_timer_;

  bool stopped_ = false;
  bool draining_ = false;
  std::function<void()> drained_;  // whom to tell, once
  std::atomic<bool> healthy_{true};
};

}  // namespace drover::task
