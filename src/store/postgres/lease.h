// How long a node may trust that its shards are its own, and whether it is to renew that.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "store/postgres/peers.h"

namespace drover::store::postgres {

// Belongs to its loop, but for trusted().
class Lease {
 public:
  // It was granted just now. `peers` outlives it.
  explicit Lease(const Peers& peers);

  // Any thread.
  bool trusted() const;

  // Not by a node that can store nothing, or cannot read what it would have to go by: others are to have its
  // shards. `unanswered`: for how long its writes have got no answer; `behind`: for how long it has not gone
  // by a change that it knows of. Who has made the change waits until this node's lease is over.
  bool may_renew(Millis unanswered, Millis behind) const;
  // The last news say that it was renewed, by what was sent at `sent_at`. True: ask again, for the node to be
  // trusted.
  bool renewed(SteadyTime sent_at);
  // It was not to be renewed.
  void let_end() { renewed_ = false; }
  // Nothing was answered.
  void failed();

  // Others may have changed things meanwhile without waiting for this node.
  bool was_over() const { return back_at_.has_value(); }
  // It has been renewed without a gap for as long as it lasts: whose has not is dead.
  bool steady() const;

 private:
  bool trust(SteadyTime sent_at);
  bool goes_by_all() const;

  const Peers& peers_;
  std::atomic<std::int64_t> trusted_until_;  // steady, ns
  // While it is not trusted: when the first renewal was answered, and the version of the directory since
  // then.
  std::optional<SteadyTime> back_at_;
  std::int64_t trusts_from_ = 0;
  SteadyTime renewed_at_{};
  SteadyTime renewed_since_{};  // without a gap
  bool renewed_ = false;
};

}  // namespace drover::store::postgres
