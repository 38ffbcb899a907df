// Cancelling a task of which several nodes have jobs: each is sent a parcel, which it removes when it has
// ended what had not begun there.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "store/postgres/days.h"
#include "store/postgres/peers.h"
#include "store/postgres/shard_keeper.h"

namespace drover::store::postgres {

// Belongs to its loop.
class Cancellations {
 public:
  // All outlive it.
  Cancellations(Peers& peers, ShardKeeper& shards, Days& days);

  // `done` when all have; kUnknownFate: not within 10 s, but they will. kNotFound: the task is not open.
  void cancel(std::int64_t task, Done<> done);
  // Tasks of which all others are to have done so.
  std::vector<std::int64_t> asked() const;
  // What was sent to this node, and what others have done.
  void look();
  // Who has waited for too long is answered.
  void look_at_late();
  void stop();

 private:
  struct Asked {
    SteadyTime until;
    Done<> done;
  };

  void look_at_parcels();
  void pass_on(const CancelParcel& parcel);

  Peers& peers_;
  ShardKeeper& shards_;
  Days& days_;
  std::set<std::int64_t> parcels_;  // that are worked on
  std::multimap<std::int64_t, Asked> asked_;
};

}  // namespace drover::store::postgres
