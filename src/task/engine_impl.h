// The engine's inside. Only engine*.cc include this.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/id.h"
#include "base/loop.h"
#include "task/admission.h"
#include "task/begin_queue.h"
#include "task/engine.h"
#include "task/lane.h"
#include "task/metrics.h"
#include "task/taken_up.h"
#include "task/turn.h"

namespace drover::task {

class EngineImpl final : public Engine, private fleet::FleetEvents, private store::ShardEvents {
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
  void refresh(const LiveTaskPtr& task, std::function<void()> then) override;
  store::ShardEvents& shard_events() override { return *this; }
  bool healthy() const override { return healthy_.load(std::memory_order_relaxed); }

 private:
  friend class EngineProbe;  // for tests

  // engine.cc: tasks come, end, are cancelled.
  void accept_now(NewTask task, Done<LiveTaskPtr> done);
  void number_tasks();
  void accept_numbered(std::int64_t seq, NewTask task, Done<LiveTaskPtr> done);
  void refuse(const NewTask& task, const Done<LiveTaskPtr>& done, Failure why);
  Result<> room_elsewhere(const NewTask& request) const;
  void deal_out(const OpenTaskPtr& task);
  void jobs_ended(const OpenTaskPtr& task, std::int64_t at_ms);
  void forget(const OpenTaskPtr& task);
  Millis time_left(const store::Task& request) const;
  OpenTaskPtr open(store::Task task, Place place, Millis until_deadline);
  void queue_job(const OpenTaskPtr& task, std::uint32_t index);
  void pass_deadline(const OpenTaskPtr& task, std::uint32_t first);
  void end_job(const JobRef& job, store::JobOutcome outcome);
  void cancel_from(const OpenTaskPtr& task, std::uint32_t first, const Done<>& done);
  void cancel_everywhere(std::int64_t task, Done<> done);
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

  // engine_shards.cc: what comes from other nodes, and goes to them.
  void on_adopt(store::Adoption adoption) override;
  void on_alone(bool alone, Applied done) override;
  void on_shards_wanted(const store::ShardSet& shards) override;
  void on_cancel(std::int64_t task, Applied done) override;
  void on_finished(std::vector<std::int64_t> tasks) override;
  std::vector<std::int64_t> full() override { return admission_.full(); }
  void adopt(store::Adoption adoption);
  OpenTaskPtr take_up(store::TaskRecord& record);
  void take_jobs(const OpenTaskPtr& task, store::TaskRecord& record,
                 const std::unordered_map<std::int64_t, std::int64_t>& begun, TakenUp& all);
  void close_shards(const store::ShardSet& shards);
  void close_idle();
  void hand_over(const store::ShardSet& shards);
  void say_closed(const store::ShardSet& shards);
  void cancel_here(std::int64_t task, const Applied& done);
  void watch(const LiveTaskPtr& task);
  void read_watched(std::int64_t task, const Id& id);
  void drop_unwatched();
  bool is_mine(const fleet::Phone& phone) const { return mine_[phone.shard()]; }
  bool may_begin_in(const fleet::Phone& phone) const {
    return mine_[phone.shard()] && !closing_[phone.shard()];
  }
  bool trusted() const { return cluster_ == nullptr || cluster_->trusted(); }
  void go_on_trusted();
  void set_current(Lane& lane, JobRef job);
  void clear_current(Lane& lane);

  // engine_commits.cc: what is stored, and what follows from it.
  void want_flush();
  void flush();
  void on_committed(const std::shared_ptr<Turn>& shared, const Result<>& result);
  void publish(Turn& turn);
  void queue_stored(const OpenTaskPtr& task);
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

  // Null: this is the only node, and all shards are its.
  store::Cluster* const cluster_;
  bool alone_;
  store::ShardSet mine_;
  store::ShardSet closing_;                           // of these; nothing more begins in them
  std::array<std::uint32_t, store::kShards> busy_{};  // lanes that have a current job
  bool close_wanted_ = false;
  std::unordered_map<std::int64_t, OpenTaskPtr> by_number_;
  std::vector<std::pair<NewTask, Done<LiveTaskPtr>>> unnumbered_;
  bool number_wanted_ = false;
  struct Watched {
    Id id;
    std::vector<std::weak_ptr<LiveTask>> tasks;
  };
  std::unordered_map<std::int64_t, Watched> watched_;
  Timer watch_timer_;
  std::vector<std::uint32_t>
      distrusted_;  // slots of lanes whose current job may begin, if this node still may
  Timer trust_timer_;

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
