// One node among those that share a database: its lease, its shards, and what the others have changed.
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

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/loop.h"
#include "store/cluster.h"
#include "store/postgres/connection.h"
#include "store/postgres/days.h"
#include "store/postgres/node_rows.h"
#include "store/postgres/numbers.h"
#include "store/postgres/write.h"

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

  const ShardMap& map() const { return map_; }
  Numbers& numbers() { return numbers_; }
  std::size_t shards() const { return mine_.count(); }

  void noticed(const std::string& payload);
  // Something was stored that others want to know of.
  void tell_others();
  // `then` when every node goes by what has been stored until now. For a change of the directory that was
  // asked for when known() was `since`.
  void when_known(std::int64_t since, std::function<void()> then);
  // `then` after the next pulse, or why there is none.
  void renew_map(std::function<void()> then);
  std::unique_ptr<Write> take_inbox();

  void shards_closed(const ShardSet& shards);
  void leave();
  void cancel(std::int64_t task, Done<> done);
  void watch(std::int64_t task);
  void unwatch(std::int64_t task) { watched_.erase(task); }

  // Any thread.
  bool trusted() const;
  bool alone() const { return alone_.load(std::memory_order_acquire); }
  // The version of the directory that counts here.
  std::int64_t known() const { return known_; }

 private:
  struct Waiting {
    std::int64_t since = 0;
    std::int64_t version = 0;  // 0: the next pulse tells which
    bool asked = false;        // a pulse that began later is under way
    SteadyTime until;
    std::function<void()> then;
  };
  struct Cancelling {
    SteadyTime until;
    Done<> done;
  };

  void pulse();
  void on_news(News news, SteadyTime sent_at, bool renewed);
  void count_renewal(SteadyTime sent_at);
  void trust(SteadyTime sent_at);
  bool goes_by_all() const;
  bool may_renew() const;
  void bury(const std::vector<OtherNode>& others);
  void unblock(const std::vector<OtherNode>& others);
  void look_at_shards();
  void take_shards(std::size_t most);
  void on_adopted(Result<Adoption> adoption, bool whole);
  void share_out();
  void give_closed();
  void give_away(const ShardSet& shards);
  void give(const ShardSet& shards, std::int64_t node);
  void look_at_alone();
  void look_at_directory();
  void read_again(std::int64_t since);
  void look_at_cancels();
  void pass_on(const CancelParcel& parcel);
  void look_at_cancelling();
  void look_at_waiting();
  void look_at_join();
  std::vector<const OtherNode*> serving() const;
  std::vector<const OtherNode*> takers() const;  // of these, who may be given shards
  std::size_t share() const;

  Loop& loop_;
  Connection& lease_;
  Connection& reader_;
  Days& days_;
  const Options options_;
  Numbers numbers_;
  ShardEvents* events_ = nullptr;
  OnDirectory on_directory_;

  // Of the pulse.
  Timer timer_;
  Timer soon_timer_;
  bool under_way_ = false;
  bool again_ = false;
  SteadyTime pulsed_at_{};
  std::atomic<std::int64_t> trusted_until_;  // steady, ns
  // While it is not trusted: when the first renewal was answered, and the version of the directory since
  // then.
  std::optional<SteadyTime> back_at_;
  std::int64_t trusts_from_ = 0;
  SteadyTime renewed_at_{};
  SteadyTime renewed_since_{};  // without a gap
  bool renewed_ = false;
  bool over_ = false;
  News news_;
  ShardMap map_;
  std::vector<std::function<void()>> map_renewed_;
  bool burying_ = false;
  SteadyTime unblocked_at_{};

  // Of shards.
  ShardSet mine_;  // adopted, and not given away
  SteadyTime shards_changed_at_{};
  bool taking_ = false;
  bool look_anew_ = false;  // what was sent to this node got lost on the way: all open tasks have to be read
  bool inbox_queued_ = false;
  bool leaving_ = false;
  ShardSet giving_;  // closed here, and on their way to another
  ShardSet closed_;  // of these, not sent yet: others may close soon
  ShardSet wanted_;  // by others
  Timer give_timer_;
  std::int64_t wanted_by_ = 0;
  SteadyTime wanted_since_{};

  // Of what all nodes hold.
  std::atomic<std::int64_t> known_;  // the version of the directory that counts here
  std::int64_t told_seen_ = 0;       // that the others know of
  std::int64_t asked_at_ = 0;        // known_ when the last news were asked for
  bool reading_ = false;
  bool catching_up_ = false;  // others may have changed something while the lease was not trusted
  // What has changed since this version is to be read, also where it counts already; 0: all.
  std::optional<std::int64_t> read_since_;
  std::atomic<bool> alone_{false};
  bool telling_alone_ = false;
  bool first_alone_ = true;
  std::vector<Waiting> waiting_;

  bool joined_ = false;
  std::int64_t joined_as_ = 0;     // version of the directory
  std::int64_t known_by_all_ = 0;  // likewise, when all others knew of this node
  std::function<void(Result<>)> join_done_;

  std::set<std::int64_t> watched_;
  std::set<std::int64_t> cancels_;                      // parcels that are worked on
  std::deque<std::int64_t> cancelled_;                  // the last tasks that were cancelled
  std::multimap<std::int64_t, Cancelling> cancelling_;  // tasks that others are to cancel
  Timer tell_timer_;
  SteadyTime told_at_{};
};

}  // namespace drover::store::postgres
