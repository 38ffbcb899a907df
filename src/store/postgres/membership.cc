#include "store/postgres/membership.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

#include "store/errc.h"
#include "store/postgres/link.h"

namespace drover::store::postgres {
namespace {

constexpr Millis kPulse{1'000};
constexpr Millis kSoonest{20};    // between pulses that hints ask for
constexpr Millis kTellPause{50};  // between hints

const Statement kBury{"bury", "SELECT drover.bury_expired($1, $2)"};
const Statement kCutOff{"cut_off", "SELECT drover.cut_off($1)"};
const Statement kLeave{"leave", "SELECT drover.bury($1)"};
const Statement kJoin{"join_nodes", "SELECT drover.join_nodes($1)"};
const Statement kNotify{"notify", "SELECT pg_notify('drover', $1::int8::text)"};

}  // namespace

Membership::Membership(Loop& loop, Connection& lease, Connection& reader, Days& days, Options options)
    : options_(std::move(options)),
      peers_{.loop = loop,
             .lease = lease,
             .epoch = options_.epoch,
             .pulse = [this] { pulse(); },
             .tell_others = [this] { tell_others(); },
             .submit = options_.submit,
             .news = {},
             .map = {},
             .known = options_.directory},
      lease_(peers_),
      numbers_(loop, lease),
      shards_(peers_, days),
      directory_(peers_, reader),
      cancellations_(peers_, shards_, days),
      watched_(peers_),
      timer_([this] { pulse(); }),
      soon_timer_([this] { pulse(); }),
      tell_timer_([this] { tell_others(); }) {}

void Membership::start() { pulse(); }

void Membership::stop() {
  peers_.events = nullptr;
  peers_.over = true;
  for (Timer* timer : {&timer_, &soon_timer_, &tell_timer_}) timer->cancel();
  shards_.stop();
  if (auto done = std::exchange(join_done_, nullptr)) done(failure(Errc::kClosed));
  cancellations_.stop();
  directory_.stop();
}

void Membership::release(std::function<void()> done) {
  stop();
  Unit unit;
  unit.add(kLeave, of_number(peers_.epoch));
  unit.add(kNotify, of_number(peers_.epoch));
  peers_.lease.run(std::move(unit), [done = std::move(done)](const Result<std::vector<Rows>>&) { done(); });
}

void Membership::noticed(const std::string& payload) {
  if (peers_.over || watched_.heard(payload) || payload == std::to_string(peers_.epoch)) return;
  if (peers_.now() - pulsed_at_ >= kSoonest) return pulse();
  if (!soon_timer_.armed()) peers_.loop.schedule(soon_timer_, kSoonest);
}

void Membership::tell_others() {
  if (peers_.over || peers_.news.others.empty() || tell_timer_.armed()) return;
  const SteadyTime now = peers_.now();
  if (now - told_at_ < kTellPause) {
    return peers_.loop.schedule(tell_timer_, std::chrono::ceil<Millis>(told_at_ + kTellPause - now));
  }
  told_at_ = now;
  Unit unit;
  unit.add(kNotify, of_number(peers_.epoch));
  peers_.lease.run(std::move(unit), [](const Result<std::vector<Rows>>&) {});
  // What was stored may be what somebody waits for here.
  if (!watched_.empty()) pulse();
}

void Membership::tell_who_waits() {
  if (watched_.others_wait()) tell_others();
}

void Membership::pulse() {
  if (peers_.over) return;
  static thread_local std::minstd_rand random{std::random_device{}()};
  // Many nodes do not ask at the same moment.
  peers_.loop.schedule(timer_, kPulse * std::uniform_int_distribution<int>(80, 100)(random) / 100);
  if (under_way_) {
    again_ = true;
    return;
  }
  under_way_ = true;
  again_ = false;
  soon_timer_.cancel();
  pulsed_at_ = peers_.now();
  directory_.asking();
  watched_.announce();
  Questions asked = questions();
  Unit unit = postgres::pulse(asked);
  peers_.lease.run(std::move(unit), [this, asked = std::move(asked)](const Result<std::vector<Rows>>& rows) {
    if (!peers_.over) on_answer(rows, asked);
    under_way_ = false;
    if (again_) pulse();
  });
}

Questions Membership::questions() {
  Questions questions;
  questions.epoch = peers_.epoch;
  // That others may accept for this node's phones has to count here before they know that it does.
  const bool applied = peers_.news.map.alone || !peers_.alone;
  questions.seen = peers_.joined && applied ? peers_.known.load() : 0;
  questions.leaving = shards_.leaving();
  questions.renew = lease_.may_renew(options_.unanswered(), directory_.behind());
  if (peers_.events != nullptr) questions.full = peers_.events->full();
  questions.watched = watched_.all();
  questions.cancelling = cancellations_.asked();
  return questions;
}

void Membership::on_answer(const Result<std::vector<Rows>>& rows, const Questions& asked) {
  if (!asked.renew) lease_.let_end();
  if (rows) {
    on_news(news_of(*rows), asked.renew);
    // Somebody may wait for that.
    if (std::exchange(told_seen_, asked.seen) != asked.seen) tell_others();
  } else {
    lease_.failed();
    directory_.no_news();
  }
  for (const auto& then : std::exchange(map_renewed_, {})) then();
  if (peers_.over) return;
  directory_.look_at_waiting();
  cancellations_.look_at_late();
}

void Membership::on_news(News news, bool renewed) {
  if (news.lost) {
    peers_.over = true;
    timer_.cancel();
    return options_.lost();
  }
  peers_.news = std::move(news);
  heartbeats_.look(peers_.news.others, peers_.now());
  full_shards_.look(peers_.news);
  options_.clock(std::chrono::duration_cast<Millis>(peers_.now() - pulsed_at_), peers_.news.clock_ms);
  if (renewed && lease_.renewed(pulsed_at_)) pulse();
  peers_.map = peers_.news.map;
  // The writer is told later than the engine that nobody else is there.
  peers_.map.alone = !peers_.joined || (peers_.map.alone && peers_.alone);
  directory_.on_news();
  if (renewed) {
    bury();
  } else {
    unblock();
  }
  if (peers_.events == nullptr) return;
  shards_.look(pulsed_at_);
  directory_.look(lease_.was_over());
  look_at_alone();
  cancellations_.look();
  watched_.look();
  look_at_join();
}

// What a node whose lease has ended was about to store may be what this one's writes wait for. Who renews its
// lease buries it.
void Membership::unblock() {
  const SteadyTime now = peers_.now();
  if (now - unblocked_at_ < kLeaseTime) return;
  for (const OtherNode& other : peers_.news.others) {
    if (!heartbeats_.silent(other, now)) continue;
    unblocked_at_ = now;
    Unit unit;
    unit.add(kCutOff, of_number(other.epoch));
    peers_.lease.run(std::move(unit), [](const Result<std::vector<Rows>>&) {});
  }
}

void Membership::bury() {
  if (burying_ || !lease_.steady()) return;
  // In turn: what one waits for may be what another has locked.
  const OtherNode* first = nullptr;
  const OtherNode* next = nullptr;
  for (const OtherNode& other : peers_.news.others) {  // in the order of their epochs
    if (!heartbeats_.silent(other, peers_.now())) continue;
    if (first == nullptr) first = &other;
    if (next == nullptr && other.epoch > buried_last_) next = &other;
  }
  const OtherNode* dead = next != nullptr ? next : first;
  if (dead == nullptr) return;
  burying_ = true;
  buried_last_ = dead->epoch;
  Unit unit;
  Params params;
  params.add(dead->epoch).add(dead->expires_us);
  unit.add(kBury, std::move(params));
  peers_.lease.run(std::move(unit), [this, name = dead->name](const Result<std::vector<Rows>>& rows) {
    burying_ = false;
    if (peers_.over) return;
    if (rows && rows->at(0).integer(0, 0) != 0) {
      spdlog::warn("node {} has not been heard of for {} s: its shards go to other nodes", name,
                   kLeaseTime.count() / 1000);
      tell_others();
    }
    if (rows) pulse();
  });
}

void Membership::leave() {
  if (peers_.over) return;
  shards_.leave();
  pulse();
}

void Membership::look_at_alone() {
  const bool now = peers_.news.map.alone;
  if (telling_alone_ || (now == peers_.alone && !first_alone_)) return;
  // First what the others have left behind.
  if (now && !(directory_.up_to_date() && shards_.has_all())) return;
  first_alone_ = false;
  telling_alone_ = true;
  if (!now) numbers_.set_alone(false);
  peers_.events->on_alone(now, [this, now] {
    peers_.loop.post([this, now] {
      telling_alone_ = false;
      if (peers_.over) return;
      peers_.alone.store(now, std::memory_order_release);
      peers_.map.alone = peers_.map.alone && now;
      if (now) numbers_.set_alone(true);
      pulse();
    });
  });
}

void Membership::watch(std::int64_t task) {
  if (watched_.add(task) && !soon_timer_.armed()) peers_.loop.schedule(soon_timer_, kSoonest);
}

void Membership::when_known(std::int64_t since, std::function<void()> then) {
  directory_.when_known(since, std::move(then));
}

void Membership::renew_map(std::function<void()> then) {
  if (peers_.over) return then();
  map_renewed_.push_back(std::move(then));
  pulse();
}

void Membership::join(ShardEvents& events, OnDirectory on_directory, std::function<void(Result<>)> done) {
  directory_.start(std::move(on_directory));
  Unit unit;
  unit.add(kPatiently);
  unit.add(kJoin, of_number(peers_.epoch));
  peers_.lease.run(std::move(unit),
                   [this, &events, done = std::move(done)](const Result<std::vector<Rows>>& rows) {
                     if (peers_.over) return done(failure(Errc::kClosed));
                     if (!rows) return done(failure(Errc::kUnavailable, rows.error().message));
                     peers_.events = &events;
                     peers_.joined = true;
                     joined_as_ = rows->at(1).integer(0, 0);
                     if (peers_.known == joined_as_ - 1)
                       peers_.known = joined_as_;  // nothing else has changed
                     join_done_ = done;
                     tell_others();
                     pulse();
                   });
}

void Membership::look_at_join() {
  if (!join_done_ || peers_.known < joined_as_ || telling_alone_ || first_alone_) return;
  const auto knows = [this](const OtherNode* node) { return node->seen >= joined_as_; };
  if (!std::ranges::all_of(peers_.serving(), knows)) return;
  // What others changed before they knew of this node they have not waited with.
  if (known_by_all_ == 0) known_by_all_ = peers_.news.directory;
  if (peers_.known < known_by_all_ || !shards_.has_its_share()) return;
  peers_.settled = true;
  std::exchange(join_done_, nullptr)({});
}

}  // namespace drover::store::postgres
