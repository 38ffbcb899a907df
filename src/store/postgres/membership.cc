#include "store/postgres/membership.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

#include "store/errc.h"
#include "store/postgres/adoption.h"
#include "store/postgres/directory.h"
#include "store/postgres/link.h"

namespace drover::store::postgres {
namespace {

constexpr Millis kPulse{1'000};
constexpr Millis kSoonest{20};    // between pulses that hints ask for
constexpr Millis kTellPause{50};  // between hints
// Shards that close one soon after the other are given together: who gets them reads all open tasks.
constexpr Millis kGivePause{100};
// How long a change waits until all nodes go by it: longer than any of them can be alive without.
constexpr Millis kKnownPatience{10'000};
// Shards that their phones are too busy to let go are kept, and others tried.
constexpr Millis kClosePatience{10'000};
constexpr std::size_t kMostWanted = 32;
// From a renewal to the next one's answer: in an outage as long as this another node's lease may end.
constexpr Millis kGap = kLeaseTime / 2;
constexpr std::size_t kCancelsKept = 4'096;

const Statement kBury{"bury", "SELECT drover.bury_expired($1)"};
const Statement kCutOff{"cut_off", "SELECT drover.cut_off($1)"};
const Statement kLeave{"leave", "SELECT drover.bury($1)"};
const Statement kJoin{"join_nodes", "SELECT drover.join_nodes($1)"};
const Statement kNotify{"notify", "SELECT pg_notify('drover', $1::int8::text)"};
const Statement kCancelTask{"cancel_task", "SELECT drover.cancel_task($1)"};
const Statement kCancelDone{"cancel_done", "DELETE FROM drover.inbox WHERE id = $1"};
const Statement kGiveShards{"give_shards", "SELECT drover.give_shards($1, $2, $3)"};

Params of_number(std::int64_t number) {
  Params params;
  params.add(number);
  return params;
}

std::int64_t ticks(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

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

Membership::Membership(Loop& loop, Connection& lease, Connection& reader, Days& days, Options options)
    : loop_(loop),
      lease_(lease),
      reader_(reader),
      days_(days),
      options_(std::move(options)),
      numbers_(loop, lease),
      timer_([this] { pulse(); }),
      soon_timer_([this] { pulse(); }),
      trusted_until_(ticks(loop.clock().steady() + kLeaseTime - kLeaseMargin)),
      give_timer_([this] { give_closed(); }),
      known_(options_.directory),
      tell_timer_([this] { tell_others(); }) {}

void Membership::start() { pulse(); }

void Membership::stop() {
  events_ = nullptr;
  over_ = true;
  for (Timer* timer : {&timer_, &soon_timer_, &give_timer_, &tell_timer_}) timer->cancel();
  if (auto done = std::exchange(join_done_, nullptr)) done(failure(Errc::kClosed));
  for (auto& [task, each] : std::exchange(cancelling_, {})) each.done(failure(Errc::kClosed));
  for (Waiting& each : std::exchange(waiting_, {})) each.then();
}

void Membership::release(std::function<void()> done) {
  stop();
  Unit unit;
  unit.add(kLeave, of_number(options_.epoch));
  unit.add(kNotify, of_number(options_.epoch));
  lease_.run(std::move(unit), [done = std::move(done)](const Result<std::vector<Rows>>&) { done(); });
}

bool Membership::trusted() const {
  return ticks(std::chrono::steady_clock::now()) < trusted_until_.load(std::memory_order_acquire);
}

void Membership::noticed(const std::string& payload) {
  if (over_ || payload == std::to_string(options_.epoch)) return;
  if (loop_.clock().steady() - pulsed_at_ >= kSoonest) return pulse();
  if (!soon_timer_.armed()) loop_.schedule(soon_timer_, kSoonest);
}

void Membership::tell_others() {
  if (over_ || news_.others.empty() || tell_timer_.armed()) return;
  const SteadyTime now = loop_.clock().steady();
  if (now - told_at_ < kTellPause) {
    return loop_.schedule(tell_timer_, std::chrono::ceil<Millis>(told_at_ + kTellPause - now));
  }
  told_at_ = now;
  Unit unit;
  unit.add(kNotify, of_number(options_.epoch));
  lease_.run(std::move(unit), [](const Result<std::vector<Rows>>&) {});
}

void Membership::pulse() {
  if (over_) return;
  static thread_local std::minstd_rand random{std::random_device{}()};
  // Many nodes do not ask at the same moment.
  loop_.schedule(timer_, kPulse * std::uniform_int_distribution<int>(80, 100)(random) / 100);
  if (under_way_) {
    again_ = true;
    return;
  }
  under_way_ = true;
  again_ = false;
  soon_timer_.cancel();
  pulsed_at_ = loop_.clock().steady();
  Questions questions;
  questions.epoch = options_.epoch;
  // That others may accept for this node's phones has to count here before they know that it does.
  const bool applied = news_.map.alone || !alone();
  questions.seen = joined_ && applied ? known() : 0;
  questions.leaving = leaving_;
  questions.renew = may_renew();
  questions.watched.assign(watched_.begin(), watched_.end());
  for (const auto& [task, each] : cancelling_) questions.cancelling.push_back(task);
  for (Waiting& each : waiting_) each.asked = true;
  lease_.run(postgres::pulse(questions),
             [this, sent_at = pulsed_at_, seen = questions.seen, renew = questions.renew,
              known = known()](const Result<std::vector<Rows>>& rows) {
               under_way_ = false;
               if (over_) return;
               if (!renew) renewed_ = false;
               if (rows) {
                 asked_at_ = known;
                 on_news(news_of(*rows), sent_at, renew);
                 // Somebody may wait for that.
                 if (std::exchange(told_seen_, seen) != seen) tell_others();
               } else {
                 renewed_ = false;
                 back_at_.reset();
                 trusts_from_ = 0;
                 for (Waiting& each : waiting_) each.asked = each.version != 0;
               }
               for (const auto& then : std::exchange(map_renewed_, {})) then();
               if (over_) return;
               look_at_waiting();
               look_at_cancelling();
               if (again_) pulse();
             });
}

void Membership::on_news(News news, SteadyTime sent_at, bool renewed) {
  if (news.lost) {
    over_ = true;
    timer_.cancel();
    return options_.lost();
  }
  news_ = std::move(news);
  if (renewed) count_renewal(sent_at);
  map_ = news_.map;
  // The writer is told later than the engine that nobody else is there.
  map_.alone = !joined_ || (map_.alone && alone());
  for (Waiting& each : waiting_)
    if (each.asked && each.version == 0) each.version = news_.directory;
  if (renewed) {
    bury(news_.others);
  } else {
    unblock(news_.others);
  }
  if (events_ == nullptr) return;
  // What was asked before shards came or went may be older than that; it is being asked anew.
  if (sent_at >= shards_changed_at_) look_at_shards();
  look_at_directory();
  look_at_alone();
  look_at_cancels();
  if (!news_.finished.empty()) {
    for (const std::int64_t task : news_.finished) watched_.erase(task);
    events_->on_finished(news_.finished);
  }
  for (const std::int64_t task : news_.cancelled) {
    const auto [begin, end] = cancelling_.equal_range(task);
    std::vector<Done<>> all;
    for (auto it = begin; it != end; ++it) all.push_back(std::move(it->second.done));
    cancelling_.erase(begin, end);
    for (const auto& done : all) done({});
  }
  look_at_join();
}

void Membership::count_renewal(SteadyTime sent_at) {
  trust(sent_at);
  const SteadyTime now = loop_.clock().steady();
  if (!std::exchange(renewed_, true) || now - renewed_at_ >= kGap) renewed_since_ = now;
  renewed_at_ = sent_at;
}

// While it was not trusted, the others may have changed something without waiting for this node, or one may
// have joined: that has to count here first.
void Membership::trust(SteadyTime sent_at) {
  if (joined_ && !trusted()) {
    // Until others see the renewal they change things without waiting for this node: what counts is what is
    // asked after its answer.
    if (!back_at_) {
      back_at_ = loop_.clock().steady();
      again_ = true;
      return;
    }
    if (trusts_from_ == 0 && sent_at < *back_at_) return;
    if (trusts_from_ == 0) trusts_from_ = news_.directory;
    if (!goes_by_all()) return;
  }
  back_at_.reset();
  trusts_from_ = 0;
  trusted_until_.store(ticks(sent_at + kLeaseTime - kLeaseMargin), std::memory_order_release);
}

bool Membership::goes_by_all() const {
  return trusts_from_ != 0 && known_ >= trusts_from_ && known_ <= news_.directory &&
         (!alone() || news_.map.alone);
}

// Not what can store nothing, or cannot read what it would have to go by: others are to have its shards.
bool Membership::may_renew() const {
  if (options_.unanswered() >= kLeaseTime) return false;
  return !back_at_ || goes_by_all() || loop_.clock().steady() - *back_at_ < kLeaseTime;
}

// What a node whose lease has ended was about to store may be what this one's writes wait for. Who renews its
// lease buries it.
void Membership::unblock(const std::vector<OtherNode>& others) {
  const SteadyTime now = loop_.clock().steady();
  if (now - unblocked_at_ < kLeaseTime) return;
  for (const OtherNode& other : others) {
    if (other.left_ms > 0) continue;
    unblocked_at_ = now;
    Unit unit;
    unit.add(kCutOff, of_number(other.epoch));
    lease_.run(std::move(unit), [](const Result<std::vector<Rows>>&) {});
  }
}

void Membership::bury(const std::vector<OtherNode>& others) {
  if (burying_ || loop_.clock().steady() - renewed_since_ < kLeaseTime) return;
  const auto dead = std::ranges::find_if(others, [](const OtherNode& other) { return other.left_ms <= 0; });
  if (dead == others.end()) return;
  burying_ = true;
  Unit unit;
  unit.add(kBury, of_number(dead->epoch));
  lease_.run(std::move(unit), [this, name = dead->name](const Result<std::vector<Rows>>& rows) {
    burying_ = false;
    if (over_) return;
    if (rows && rows->at(0).integer(0, 0) != 0) {
      spdlog::warn("node {} has not been heard of for {} s: its shards go to other nodes", name,
                   kLeaseTime.count() / 1000);
      tell_others();
    }
    if (rows) pulse();
  });
}

std::vector<const OtherNode*> Membership::serving() const {
  std::vector<const OtherNode*> nodes;
  for (const OtherNode& other : news_.others)
    if (other.seen != 0 && other.left_ms > 0) nodes.push_back(&other);
  return nodes;
}

std::vector<const OtherNode*> Membership::takers() const {
  std::vector<const OtherNode*> nodes = serving();
  std::erase_if(nodes, [](const OtherNode* node) { return node->leaving; });
  return nodes;
}

// Of all shards, rounded up.
std::size_t Membership::share() const {
  const std::size_t nodes = takers().size() + 1;
  return (kShards + nodes - 1) / nodes;
}

void Membership::look_at_shards() {
  const ShardSet owned = map_.of(options_.epoch) & ~giving_;
  const std::size_t nobodys = map_.of(0).count();
  std::size_t most = 0;
  if (!leaving_ && nobodys > 0 && owned.count() < share()) most = std::min(nobodys, share() - owned.count());
  if (leaving_) {
    // Another may have given it some before it knew, and to these nothing is under way.
    if (const ShardSet back = owned & ~mine_; back.any() && !taking_) give_away(back);
  } else if (most > 0 || owned != mine_ || look_anew_) {
    take_shards(most);
  } else if (nobodys == 0) {
    share_out();
  }
  if (news_.inbox && !taking_ && !std::exchange(inbox_queued_, true)) options_.submit(take_inbox());
}

void Membership::take_shards(std::size_t most) {
  if (std::exchange(taking_, true)) return;
  look_anew_ = false;
  options_.submit(std::make_unique<TakeShards>(days_, most, [this](Result<Adoption> adoption) {
    taking_ = false;
    on_adopted(std::move(adoption), true);
  }));
}

std::unique_ptr<Write> Membership::take_inbox() {
  return std::make_unique<TakeInbox>(days_, [this](Result<Adoption> adoption) {
    inbox_queued_ = false;
    on_adopted(std::move(adoption), false);
  });
}

void Membership::on_adopted(Result<Adoption> adoption, bool whole) {
  if (over_) return;
  if (!adoption) {
    look_anew_ = look_anew_ || adoption.error().code == Errc::kUnknownFate || whole;
    if (adoption.error().code == Errc::kCorrupt) spdlog::error("open tasks: {}", adoption.error().message);
    return;
  }
  if (whole) {
    const ShardSet owned = adoption->gained & ~giving_;
    adoption->gained = leaving_ ? ShardSet() : owned & ~mine_;
    if (!leaving_) mine_ = owned;
    shards_changed_at_ = loop_.clock().steady();
    if (adoption->gained.any())
      spdlog::info("{} shards have come to this node, which has {} of {}", adoption->gained.count(),
                   mine_.count(), kShards);
  }
  auto& cancelled = adoption->cancelled;
  for (const store::TaskRecord& record : adoption->tasks)
    if (std::ranges::find(cancelled_, record.task.seq) != cancelled_.end())
      cancelled.push_back(record.task.seq);
  std::ranges::sort(cancelled);
  if (events_ != nullptr && (whole || !adoption->tasks.empty())) events_->on_adopt(*std::move(adoption));
  if (whole) {
    tell_others();
    pulse();
  }
}

// So that all have as many. Some at a time, because their phones begin nothing new until they are given.
void Membership::share_out() {
  if (giving_.any()) return;
  const SteadyTime now = loop_.clock().steady();
  if (wanted_.any() && now - wanted_since_ < kClosePatience) return;
  const bool withdrawn = wanted_.any();
  const ShardSet tried = std::exchange(wanted_, {});
  const OtherNode* least = nullptr;
  std::size_t least_count = kShards;
  for (const OtherNode* node : takers()) {
    const std::size_t count = map_.of(node->epoch).count();
    if (count < least_count) std::tie(least, least_count) = std::pair(node, count);
  }
  if (joined_ && !join_done_ && least != nullptr && mine_.count() >= least_count + 3) {
    std::size_t more = std::min(kMostWanted, (mine_.count() - least_count) / 2);
    for (const ShardSet& from : {mine_ & ~tried, mine_ & tried}) {
      for (std::size_t i = 0; i < kShards && more > 0; ++i) {
        if (!from[i]) continue;
        wanted_.set(i);
        --more;
      }
    }
    wanted_by_ = least->epoch;
    wanted_since_ = now;
  }
  if (withdrawn || wanted_.any()) events_->on_shards_wanted(wanted_);
}

void Membership::shards_closed(const ShardSet& shards) {
  if (over_) return;
  const ShardSet given = leaving_ ? shards & mine_ : shards & wanted_;
  mine_ &= ~shards;  // what was not wanted any more comes back by the next pulse
  wanted_ &= ~shards;
  if (leaving_) return give_away(given);
  if (given.none()) return pulse();
  closed_ |= given;
  giving_ |= given;
  if (wanted_.none()) return give_closed();
  if (!give_timer_.armed()) loop_.schedule(give_timer_, kGivePause);
}

void Membership::give_closed() {
  give_timer_.cancel();
  if (closed_.any()) give(std::exchange(closed_, {}), wanted_by_);
}

// In turn, when there are several to take them.
void Membership::give_away(const ShardSet& shards) {
  std::map<std::int64_t, std::size_t> counts;
  std::map<std::int64_t, ShardSet> parts;
  for (const OtherNode* node : takers()) counts[node->epoch] = map_.of(node->epoch).count();
  if (counts.empty()) return;
  for (std::size_t i = 0; i < kShards; ++i) {
    if (!shards[i]) continue;
    const auto least = std::ranges::min_element(counts, {}, [](const auto& each) { return each.second; });
    ++least->second;
    parts[least->first].set(i);
    map_.owners[i] = least->first;
  }
  for (const auto& [node, part] : parts) give(part, node);
}

void Membership::give(const ShardSet& shards, std::int64_t node) {
  giving_ |= shards;
  options_.submit(std::make_unique<GiveShards>(shards, node, [this, shards](bool done) {
    giving_ &= ~shards;
    shards_changed_at_ = loop_.clock().steady();
    if (over_) return;
    if (done) spdlog::info("gave {} shards to another node", shards.count());
    tell_others();
    pulse();
  }));
}

void Membership::leave() {
  if (over_) return;
  leaving_ = true;
  wanted_.reset();
  give_closed();
  pulse();
}

void Membership::look_at_alone() {
  const bool now = news_.map.alone;
  if (telling_alone_ || (now == alone() && !first_alone_)) return;
  // First what the others have left behind.
  if (now && (reading_ || read_since_ || known_ != news_.directory)) return;
  if (now && (taking_ || look_anew_ || news_.inbox || inbox_queued_ ||
              (map_.of(options_.epoch) & ~giving_) != mine_))
    return;
  first_alone_ = false;
  telling_alone_ = true;
  if (!now) numbers_.set_alone(false);
  events_->on_alone(now, [this, now] {
    loop_.post([this, now] {
      telling_alone_ = false;
      if (over_) return;
      alone_.store(now, std::memory_order_release);
      map_.alone = map_.alone && now;
      if (now) numbers_.set_alone(true);
      pulse();
    });
  });
}

void Membership::look_at_directory() {
  const std::int64_t version = news_.directory;
  const std::int64_t known = known_;
  if (back_at_) catching_up_ = true;
  if (reading_) return;
  if (version == known && !read_since_) {
    catching_up_ = false;
    return;
  }
  if (news_.map.alone && alone() && !read_since_ && !catching_up_) {
    known_ = version;  // nobody else has changed anything
    return;
  }
  DirectoryQuestion question{.since = std::min(known, read_since_.value_or(known)), .as_of = version};
  // The database was put back to what it had been; or these news are older than what was read meanwhile.
  if (version < asked_at_) {
    question.since = 0;
  } else if (version < known) {
    again_ = true;
    return;
  }
  question.identities = question.since == 0 || news_.identities > question.since;
  question.instances = question.since == 0 || news_.instances > question.since;
  read_since_.reset();
  if (!question.identities && !question.instances) {
    known_ = version;
    again_ = true;  // others may wait for that
    return;
  }
  reading_ = true;
  reader_.run(ask(question), [this, question](const Result<std::vector<Rows>>& rows) {
    if (over_ || events_ == nullptr) return;
    auto answer = rows ? answer_of(question, *rows) : failure(Errc::kUnavailable);
    if (!answer || answer->gap) {
      reading_ = false;
      read_again(answer ? 0 : question.since);
      if (answer) return pulse();
      if (rows) spdlog::error("instances: {}", answer.error().message);
      return;
    }
    on_directory_(std::move(answer->change), [this, read = answer->version] {
      loop_.post([this, read] {
        reading_ = false;
        known_ = read;
        pulse();
      });
    });
  });
}

void Membership::read_again(std::int64_t since) {
  read_since_ = std::min(since, read_since_.value_or(since));
}

void Membership::look_at_cancels() {
  std::set<std::int64_t> still;
  std::vector<CancelParcel> fresh;
  for (const CancelParcel& parcel : news_.cancels) {
    still.insert(parcel.id);
    if (!cancels_.insert(parcel.id).second) continue;
    fresh.push_back(parcel);
    // What is being adopted may have been read before.
    cancelled_.push_back(parcel.task);
    if (cancelled_.size() > kCancelsKept) cancelled_.pop_front();
  }
  std::erase_if(cancels_, [&](std::int64_t id) { return !still.contains(id); });
  if (fresh.empty()) return;
  // The task itself may still be on its way here: it has to come first.
  options_.submit(std::make_unique<TakeInbox>(days_, [this, fresh](Result<Adoption> adoption) {
    const bool taken = adoption.has_value();
    on_adopted(std::move(adoption), false);
    if (over_) return;
    for (const CancelParcel& parcel : fresh) {
      if (taken) {
        pass_on(parcel);
      } else {
        cancels_.erase(parcel.id);  // the next pulse finds it again
      }
    }
  }));
}

void Membership::pass_on(const CancelParcel& parcel) {
  events_->on_cancel(parcel.task, [this, id = parcel.id] {
    loop_.post([this, id] {
      if (over_) return;
      Unit unit;
      unit.add(kCancelDone, of_number(id));
      lease_.run(std::move(unit), [this, id](const Result<std::vector<Rows>>& rows) {
        if (!rows) cancels_.erase(id);  // so that it is asked, and answered, again
        if (!rows || over_) return;
        tell_others();
        pulse();
      });
    });
  });
}

void Membership::cancel(std::int64_t task, Done<> done) {
  if (over_) return done(failure(Errc::kClosed));
  Unit unit;
  unit.add(kCancelTask, of_number(task));
  lease_.run(std::move(unit), [this, task, done = std::move(done)](const Result<std::vector<Rows>>& rows) {
    if (!rows) {
      const bool unknown = rows.error().code == Errc::kUnknownFate;
      return done(failure(unknown ? Errc::kUnknownFate : Errc::kUnavailable, rows.error().message));
    }
    if (over_) return done(failure(Errc::kClosed));
    if (rows->at(0).integer(0, 0) == 0) return done(failure(Errc::kNotFound));
    cancelling_.emplace(task, Cancelling{loop_.clock().steady() + kKnownPatience, done});
    tell_others();
    pulse();
  });
}

// Who has not done so until now will do so: that is stored.
void Membership::look_at_cancelling() {
  const SteadyTime now = loop_.clock().steady();
  std::vector<Done<>> late;
  std::erase_if(cancelling_, [&](auto& each) {
    if (now < each.second.until) return false;
    late.push_back(std::move(each.second.done));
    return true;
  });
  for (const auto& done : late) done(failure(Errc::kUnknownFate, "not all nodes have answered"));
}

void Membership::watch(std::int64_t task) {
  if (watched_.insert(task).second && !soon_timer_.armed()) loop_.schedule(soon_timer_, kSoonest);
}

void Membership::when_known(std::int64_t since, std::function<void()> then) {
  if (over_ || events_ == nullptr || (alone() && news_.map.alone)) return then();
  waiting_.push_back({since, 0, false, loop_.clock().steady() + kKnownPatience, std::move(then)});
  pulse();
}

void Membership::look_at_waiting() {
  if (waiting_.empty()) return;
  std::int64_t everybody = known_;
  std::int64_t since = known_;
  for (const OtherNode* node : serving()) everybody = std::min(everybody, node->seen);
  const SteadyTime now = loop_.clock().steady();
  std::vector<std::function<void()>> ready;
  std::erase_if(waiting_, [&](Waiting& each) {
    const bool known = each.version != 0 && each.version <= everybody;
    if (!known && now < each.until) return false;
    since = std::min(since, each.since);
    ready.push_back(std::move(each.then));
    return true;
  });
  if (ready.empty()) return;
  for (const auto& then : ready) then();
  // What they make of it in memory may be older than what was read meanwhile.
  if (alone()) return;
  read_again(since);
  pulse();
}

void Membership::renew_map(std::function<void()> then) {
  if (over_) return then();
  map_renewed_.push_back(std::move(then));
  pulse();
}

void Membership::join(ShardEvents& events, OnDirectory on_directory, std::function<void(Result<>)> done) {
  on_directory_ = std::move(on_directory);
  Unit unit;
  unit.add(kPatiently);
  unit.add(kJoin, of_number(options_.epoch));
  lease_.run(std::move(unit), [this, &events, done = std::move(done)](const Result<std::vector<Rows>>& rows) {
    if (over_) return done(failure(Errc::kClosed));
    if (!rows) return done(failure(Errc::kUnavailable, rows.error().message));
    events_ = &events;
    joined_ = true;
    joined_as_ = rows->at(1).integer(0, 0);
    if (known_ == joined_as_ - 1) known_ = joined_as_;  // nothing else has changed
    join_done_ = done;
    tell_others();
    pulse();
  });
}

void Membership::look_at_join() {
  if (!join_done_ || known_ < joined_as_ || telling_alone_ || first_alone_ || taking_ || look_anew_) return;
  const auto knows = [this](const OtherNode* node) { return node->seen >= joined_as_; };
  if (!std::ranges::all_of(serving(), knows)) return;
  // What others changed before they knew of this node they have not waited with.
  if (known_by_all_ == 0) known_by_all_ = news_.directory;
  if (known_ < known_by_all_) return;
  if (map_.of(options_.epoch) != mine_) return;
  if (map_.of(0).any() && mine_.count() < share()) return;
  std::exchange(join_done_, nullptr)({});
}

}  // namespace drover::store::postgres
