// One node among those that share a database: that others know of it, that it is alive, and that all of them
// hear of what the others have stored.
//
// The pulse, once a second and when another node says that there is something new, renews the lease and reads
// in one round trip all that may have changed. A notice is only a hint: what it tells, the next pulse finds.
//
// A node whose writes get no answer for as long as a lease lasts does not renew its own until they do: what
// it cannot store, others are to do.
//
// A node whose lease has ended is buried by one that has renewed its own without a gap for as long as a lease
// lasts: else the first to come back after an outage of the database would bury all others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "store/cluster.h"
#include "store/postgres/cancellations.h"
#include "store/postgres/connection.h"
#include "store/postgres/days.h"
#include "store/postgres/directory_follower.h"
#include "store/postgres/full_shards.h"
#include "store/postgres/heartbeats.h"
#include "store/postgres/lease.h"
#include "store/postgres/numbers.h"
#include "store/postgres/peers.h"
#include "store/postgres/shard_keeper.h"
#include "store/postgres/watched_tasks.h"

namespace drover::store::postgres {

// Belongs to its loop, but for what is marked.
class Membership {
 public:
  struct Options {
    std::int64_t epoch = 0;
    std::int64_t directory = 0;  // the version of it that was there before anything of it was read
    // Queues a write.
    std::function<void(std::unique_ptr<Write>)> submit;
    // For how long writes that wait have got no answer.
    std::function<Millis()> unanswered;
    // The database's clock said `unix_ms`, within the last `round_trip`.
    std::function<void(Millis round_trip, std::int64_t unix_ms)> clock;
    // The lease is gone; called once.
    std::function<void()> lost;
  };

  // `lease` listens to kChannel; `reader` reads one state of the database a unit. All outlive it.
  Membership(Loop& loop, Connection& lease, Connection& reader, Days& days, Options options);

  // Renews the lease from now on; all else begins with join().
  void start();
  // `done`: when all other nodes know of this one, and the shards that were to be had are adopted.
  void join(ShardEvents& events, OnDirectory on_directory, std::function<void(Result<>)> done);
  // No event comes afterwards.
  void stop();
  // Gives the lease back, so that others need not wait for its end; `done`, also if that failed.
  void release(std::function<void()> done);

  const ShardMap& map() const { return peers_.map; }
  Numbers& numbers() { return numbers_; }
  std::size_t shards() const { return shards_.count(); }

  void noticed(const std::string& payload);
  // Something was stored that others want to know of.
  void tell_others();
  // Tasks have ended of which only this node had jobs.
  void tell_who_waits();
  // As DirectoryFollower.
  void when_known(std::int64_t since, std::function<void()> then);
  // `then` after the next pulse, or why there is none.
  void renew_map(std::function<void()> then);
  std::unique_ptr<Write> take_inbox() { return shards_.take_inbox(); }

  void shards_closed(const ShardSet& shards) { shards_.closed(shards); }
  void leave();
  void cancel(std::int64_t task, Done<> done) { cancellations_.cancel(task, std::move(done)); }
  void watch(std::int64_t task);
  void unwatch(std::int64_t task) { watched_.remove(task); }

  // Any thread.
  bool trusted() const { return lease_.trusted(); }
  bool alone() const { return peers_.alone; }
  Cluster::FullShards full_shards(std::int64_t project) const { return full_shards_.of(project); }
  // The version of the directory that counts here.
  std::int64_t known() const { return peers_.known; }

 private:
  void pulse();
  Questions questions();
  void on_answer(const Result<std::vector<Rows>>& rows, const Questions& asked);
  void on_news(News news, bool renewed);
  void bury();
  void unblock();
  void look_at_alone();
  void look_at_join();

  const Options options_;
  Peers peers_;
  Lease lease_;
  Numbers numbers_;
  ShardKeeper shards_;
  DirectoryFollower directory_;
  Cancellations cancellations_;
  WatchedTasks watched_;
  FullShards full_shards_;

  // Of the pulse.
  Timer timer_;
  Timer soon_timer_;
  bool under_way_ = false;
  bool again_ = false;
  SteadyTime pulsed_at_{};
  std::vector<std::function<void()>> map_renewed_;
  Timer tell_timer_;
  SteadyTime told_at_{};
  std::int64_t told_seen_ = 0;  // the version of the directory that the others know to count here

  Heartbeats heartbeats_;
  bool burying_ = false;
  std::int64_t buried_last_ = 0;  // the epoch, or it was tried
  SteadyTime unblocked_at_{};
  bool telling_alone_ = false;
  bool first_alone_ = true;

  std::int64_t joined_as_ = 0;     // version of the directory
  std::int64_t known_by_all_ = 0;  // likewise, when all others knew of this node
  std::function<void(Result<>)> join_done_;
};

}  // namespace drover::store::postgres
