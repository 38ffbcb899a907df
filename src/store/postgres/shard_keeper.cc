#include "store/postgres/shard_keeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "store/errc.h"
#include "store/postgres/adoption.h"
#include "store/postgres/fair_share.h"

namespace drover::store::postgres {
namespace {

// Shards that close one soon after the other are given together: who gets them reads all open tasks.
constexpr Millis kGivePause{100};
// Shards that their phones are too busy to let go are kept, and others tried.
constexpr Millis kClosePatience{10'000};
constexpr std::size_t kMostWanted = 32;
constexpr std::size_t kCancelsKept = 4'096;

const Statement kGiveShards{"give_shards", "SELECT drover.give_shards($1, $2, $3)"};

// Shards go to another node.
class GiveShards final : public Write {
 public:
  GiveShards(const ShardSet& shards, std::int64_t taker, std::function<void(bool)> done)
      : shards_(shards), taker_(taker), done_(std::move(done)) {}

  WriteSize size() const override { return {1, 0}; }
  bool alone() const override { return true; }
  void add_to(Group& group) override {
    std::vector<std::int64_t> ids;
    for (std::size_t i = 0; i < kShards; ++i)
      if (shards_[i]) ids.push_back(static_cast<std::int64_t>(i));
    Params params;
    params.add(group.epoch).add(taker_).add(ids);
    group.unit.add(kGiveShards, std::move(params));
  }
  void finish(const Result<>& committed, const Answer&) override { done_(committed.has_value()); }

 private:
  ShardSet shards_;
  std::int64_t taker_;
  std::function<void(bool)> done_;
};

}  // namespace

ShardKeeper::ShardKeeper(Peers& peers, Days& days)
    : peers_(peers), days_(days), give_timer_([this] { give_closed(); }) {}

// Of all shards, rounded up.
std::size_t ShardKeeper::share() const {
  const std::size_t nodes = peers_.takers().size() + 1;
  return (kShards + nodes - 1) / nodes;
}

bool ShardKeeper::has_its_share() const {
  return !taking_ && !look_anew_ && peers_.map.of(peers_.epoch) == mine_ &&
         (peers_.map.of(0).none() || mine_.count() >= share());
}

bool ShardKeeper::has_all() const {
  return !taking_ && !look_anew_ && !peers_.news.inbox && !inbox_queued_ && owned() == mine_;
}

void ShardKeeper::look(SteadyTime asked_at) {
  // What was asked before shards came or went may be older than that; it is being asked anew.
  if (asked_at < changed_at_) return;
  const std::size_t nobodys = peers_.map.of(0).count();
  const std::size_t has = owned().count();
  std::size_t most = 0;
  if (!leaving_ && nobodys > 0 && has < share()) most = std::min(nobodys, share() - has);
  if (leaving_) {
    // Another may have given it some before it knew, and to these nothing is under way.
    if (const ShardSet back = owned() & ~mine_; back.any() && !taking_) give_away(back);
  } else if (most > 0 || owned() != mine_ || look_anew_) {
    take(most);
  } else if (nobodys == 0) {
    share_out();
  }
  if (peers_.news.inbox && !taking_ && !std::exchange(inbox_queued_, true)) peers_.submit(take_inbox());
}

void ShardKeeper::take(std::size_t most) {
  if (std::exchange(taking_, true)) return;
  look_anew_ = false;
  peers_.submit(std::make_unique<TakeShards>(days_, most, [this](Result<Adoption> adoption) {
    taking_ = false;
    on_adopted(std::move(adoption), true);
  }));
}

std::unique_ptr<Write> ShardKeeper::take_inbox() {
  return std::make_unique<TakeInbox>(days_, [this](Result<Adoption> adoption) {
    inbox_queued_ = false;
    on_adopted(std::move(adoption), false);
  });
}

void ShardKeeper::cancelled(std::int64_t task) {
  cancelled_.push_back(task);
  if (cancelled_.size() > kCancelsKept) cancelled_.pop_front();
}

void ShardKeeper::on_adopted(Result<Adoption> adoption, bool whole) {
  if (peers_.over) return;
  if (!adoption) {
    look_anew_ = look_anew_ || adoption.error().code == Errc::kUnknownFate || whole;
    if (adoption.error().code == Errc::kCorrupt) spdlog::error("open tasks: {}", adoption.error().message);
    return;
  }
  if (whole) gain(*adoption);
  auto& cancelled = adoption->cancelled;
  for (const store::TaskRecord& record : adoption->tasks)
    if (std::ranges::find(cancelled_, record.task.seq) != cancelled_.end())
      cancelled.push_back(record.task.seq);
  std::ranges::sort(cancelled);
  if (peers_.events != nullptr && (whole || !adoption->tasks.empty()))
    peers_.events->on_adopt(*std::move(adoption));
  if (!whole) return;
  peers_.tell_others();
  peers_.pulse();
}

void ShardKeeper::gain(Adoption& adoption) {
  const ShardSet owned = adoption.gained & ~giving_;
  adoption.gained = leaving_ ? ShardSet() : owned & ~mine_;
  if (!leaving_) mine_ = owned;
  changed_at_ = peers_.now();
  if (adoption.gained.any())
    spdlog::info("{} shards have come to this node, which has {} of {}", adoption.gained.count(),
                 mine_.count(), kShards);
}

// So that all have as many. Some at a time, because their phones begin nothing new until they are given.
void ShardKeeper::share_out() {
  if (giving_.any()) return;
  const SteadyTime now = peers_.now();
  if (wanted_.any() && now - wanted_since_ < kClosePatience) return;
  const ShardSet last = std::exchange(wanted_, {});
  ShardCounts counts{{peers_.epoch, mine_.count()}};
  for (const OtherNode* node : peers_.takers()) counts[node->epoch] = peers_.map.of(node->epoch).count();
  if (const auto gift = peers_.settled ? gift_of(peers_.epoch, counts) : std::nullopt) {
    wanted_ = some_of(std::min(kMostWanted, gift->count), last);
    wanted_by_ = gift->taker;
    wanted_since_ = now;
  }
  if (last.any() || wanted_.any()) peers_.events->on_shards_wanted(wanted_);
}

// Those that were tried last come last.
ShardSet ShardKeeper::some_of(std::size_t count, const ShardSet& last) const {
  ShardSet some;
  for (const ShardSet& from : {mine_ & ~last, mine_ & last})
    for (std::size_t i = 0; i < kShards && some.count() < count; ++i)
      if (from[i]) some.set(i);
  return some;
}

void ShardKeeper::closed(const ShardSet& shards) {
  if (peers_.over) return;
  const ShardSet given = leaving_ ? shards & mine_ : shards & wanted_;
  mine_ &= ~shards;  // what was not wanted any more comes back by the next pulse
  wanted_ &= ~shards;
  if (leaving_) return give_away(given);
  if (given.none()) return peers_.pulse();
  closed_ |= given;
  giving_ |= given;
  if (wanted_.none()) return give_closed();
  if (!give_timer_.armed()) peers_.loop.schedule(give_timer_, kGivePause);
}

void ShardKeeper::give_closed() {
  give_timer_.cancel();
  if (closed_.any()) give(std::exchange(closed_, {}), wanted_by_);
}

// In turn, when there are several to take them.
void ShardKeeper::give_away(const ShardSet& shards) {
  ShardCounts counts;
  std::map<std::int64_t, ShardSet> parts;
  for (const OtherNode* node : peers_.takers()) counts[node->epoch] = peers_.map.of(node->epoch).count();
  if (counts.empty()) return;
  for (std::size_t i = 0; i < kShards; ++i) {
    if (!shards[i]) continue;
    const auto least = std::ranges::min_element(counts, {}, [](const auto& each) { return each.second; });
    ++least->second;
    parts[least->first].set(i);
    peers_.map.owners[i] = least->first;
  }
  for (const auto& [node, part] : parts) give(part, node);
}

void ShardKeeper::give(const ShardSet& shards, std::int64_t node) {
  giving_ |= shards;
  peers_.submit(std::make_unique<GiveShards>(shards, node, [this, shards](bool done) {
    giving_ &= ~shards;
    changed_at_ = peers_.now();
    if (peers_.over) return;
    if (done) spdlog::info("gave {} shards to another node", shards.count());
    peers_.tell_others();
    peers_.pulse();
  }));
}

void ShardKeeper::leave() {
  leaving_ = true;
  wanted_.reset();
  give_closed();
}

}  // namespace drover::store::postgres
