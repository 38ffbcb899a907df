// The shards of a node: which it takes, which others are to have, and what comes with them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "base/loop.h"
#include "store/postgres/days.h"
#include "store/postgres/peers.h"

namespace drover::store::postgres {

// Belongs to its loop.
class ShardKeeper {
 public:
  // Both outlive it.
  ShardKeeper(Peers& peers, Days& days);

  std::size_t count() const { return mine_.count(); }
  // It has as many as it is to have, if there are so many.
  bool has_its_share() const;
  // Nothing of what is this node's is still on its way to it.
  bool has_all() const;

  // At news that were asked for at `asked_at`.
  void look(SteadyTime asked_at);
  // They can be given: nothing of them runs here, or is to be stored.
  void closed(const ShardSet& shards);
  // Gives all away, and takes no more.
  void leave();
  bool leaving() const { return leaving_; }
  void stop() { give_timer_.cancel(); }

  // Of what was sent to this node.
  std::unique_ptr<Write> take_inbox();
  void adopt(Result<Adoption> sent) { on_adopted(std::move(sent), false); }
  // What is being adopted may have been read before this task was.
  void cancelled(std::int64_t task);

 private:
  ShardSet owned() const { return peers_.map.of(peers_.epoch) & ~giving_; }
  std::size_t share() const;
  void take(std::size_t most);
  void on_adopted(Result<Adoption> adoption, bool whole);
  void gain(Adoption& adoption);
  void share_out();
  ShardSet some_of(std::size_t count, const ShardSet& last) const;
  void give_closed();
  void give_away(const ShardSet& shards);
  void give(const ShardSet& shards, std::int64_t node);

  Peers& peers_;
  Days& days_;
  ShardSet mine_;  // adopted, and not given away
  SteadyTime changed_at_{};
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
  std::deque<std::int64_t> cancelled_;  // the last ones
};

}  // namespace drover::store::postgres
