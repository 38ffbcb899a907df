#include "store/postgres/writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "store/errc.h"
#include "store/postgres/schema.h"

namespace drover::store::postgres {
namespace {

const Statement kFence{"fence", "SELECT drover.fence($1, $2)"};
// After everything else, so that of two nodes that wait for each other's rows none has this one.
const Statement kChanged{"changed", "SELECT drover.count_change($1, $2)"};
const Statement kSettle{"settle", "SELECT drover.settle($1, $2)"};

const Millis kPatience = Connection::Options{}.answer_patience;
constexpr Millis kLongPatience{60'000};  // the server says nothing while it removes the files of a large day
constexpr Millis kAskAgain{200};
// A failure after which nothing was to be stored for so long says nothing any more.
constexpr Millis kForgotten{5'000};
constexpr int kMostRenewals = 20;  // of the map, for one unit
constexpr int kMostAgain = 3;
constexpr int kMostReads = 10;

// The connection ended, whatever it said last: the unit may be stored.
bool fate_is_unknown(const Error& error) {
  if (error.code == Errc::kUnknownFate) return true;
  const std::string state = sqlstate(error);
  return state.starts_with("57P") || state.starts_with("08") || state.starts_with("58") || state == "40003";
}

// What a write wrote is at fault, and would be again.
bool content_is_at_fault(const std::string& state) {
  return state.starts_with("22") || state.starts_with("23") || state.starts_with("21") ||
         state == kUnfinishedState;
}

}  // namespace

Writer::Writer(Loop& loop, Connection& connection, Days& days, const ShardMap& map, std::int64_t epoch,
               const Metrics& metrics, WriterEvents& events)
    : loop_(loop),
      connection_(connection),
      days_(days),
      epoch_(epoch),
      metrics_(metrics),
      map_(map),
      events_(events),
      made_(&days),
      settle_timer_([this] {
        settle();
        read_anew();
      }),
      drain_timer_([this] {
        if (phase_ == Phase::kUnsettled)
          finish_failed({make_error_code(Errc::kClosed), make_error_code(Errc::kClosed).message()});
        if (phase_ == Phase::kReading && unread_) std::exchange(when_read_, nullptr)();
      }) {}

void Writer::submit(std::unique_ptr<Write> write) {
  {
    const std::lock_guard lock(mutex_);
    queued_.push_back(std::move(write));
    metrics_.queued_writes.Increment();
    if (std::exchange(woken_, true)) return;
  }
  loop_.post([this] { pump(); });
}

void Writer::take_queued() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  for (auto& write : queued_) waiting_.push_back(std::move(write));
  queued_.clear();
}

void Writer::pump() {
  take_queued();
  if (fenced_) fail_waiting(failure(Errc::kFenced).value());
  if (!fenced_ && !connection_.up()) {
    fail_waiting(failure(Errc::kUnavailable, "there is no connection to the database").value());
  }
  if (phase_ == Phase::kIdle && take_group()) send_group();
  check_drained();
}

bool Writer::take_group() {
  std::size_t rows = 0;
  std::size_t bytes = 0;
  while (!waiting_.empty() && rows < kMaxRows && bytes < kMaxBytes) {
    const bool alone = waiting_.front()->alone();
    if (alone && !group_.empty()) break;
    const WriteSize size = waiting_.front()->size();
    rows += size.rows;
    bytes += size.bytes;
    group_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    metrics_.queued_writes.Decrement();
    if (singly_ > 0 || alone) {
      singly_ -= singly_ > 0 ? 1 : 0;
      break;
    }
  }
  days_made_again_ = false;
  map_renewals_ = 0;
  sent_again_ = 0;
  reads_ = 0;
  // What others accepted for this node's phones before, it has then before what it accepts itself.
  const auto accepts = [](const auto& write) { return write->accepts(); };
  with_inbox_ = !map_.alone && std::ranges::any_of(group_, accepts);
  if (with_inbox_) group_.insert(group_.begin(), events_.take_inbox());
  return !group_.empty();
}

void Writer::send_group() {
  waits();
  phase_ = Phase::kRunning;
  made_ = Group(&days_);
  made_.epoch = epoch_;
  places_.clear();
  Params fence;
  fence.add(epoch_).add(++number_);
  made_.unit.add(kFence, std::move(fence));
  for (const auto& write : group_) {
    const std::size_t from = made_.unit.size();
    write->add_to(made_);
    places_.emplace_back(from, made_.unit.size() - from);
  }
  std::vector<std::int32_t> days;
  std::vector<std::int32_t> audit_days;
  for (const std::int32_t day : made_.tasks.days())
    if (!days_.known(day)) days.push_back(day);
  for (const std::int32_t day : made_.tasks.audit_days())
    if (!days_.audit_known(day)) audit_days.push_back(day);
  if (days.empty() && audit_days.empty()) return run_group();
  make_days(std::move(days), std::move(audit_days));
}

// By a unit of their own, because a command is parsed before those in front of it have run.
void Writer::make_days(std::vector<std::int32_t> days, std::vector<std::int32_t> audit_days) {
  Unit unit;
  for (const std::int32_t day : days) {
    Params params;
    params.add_int4(day);
    unit.add("SELECT drover.make_day($1)", std::move(params));
  }
  for (const std::int32_t day : audit_days) {
    Params params;
    params.add_int4(day);
    unit.add("SELECT drover.make_audit_day($1)", std::move(params));
  }
  connection_.run(std::move(unit), [this, days = std::move(days),
                                    audit_days = std::move(audit_days)](const Answers& answers) {
    heard();
    if (!answers) {
      // Nothing of the group was sent, whatever became of this.
      Error error = answers.error();
      if (error.code != Errc::kClosed)
        error = failure(Errc::kUnavailable, "a day's tables are not made: " + error.message).value();
      return finish_failed(error);
    }
    for (const std::int32_t day : days) days_.add(day);
    for (const std::int32_t day : audit_days) days_.add_audit_day(day);
    run_group();
  });
}

void Writer::run_group() {
  made_.tasks.add_to(made_.unit, map_);
  const bool identities = changes(Changes::kIdentities);
  const bool instances = changes(Changes::kInstances);
  if (identities || instances) {
    Params params;
    params.add_bool(identities).add_bool(instances);
    made_.unit.add(kChanged, std::move(params));
  }
  sent_at_ = std::chrono::steady_clock::now();
  connection_.set_answer_patience(group_.front()->may_take_long() ? kLongPatience : kPatience);
  connection_.run(std::exchange(made_.unit, {}), [this](Answers answers) { on_answer(std::move(answers)); });
}

bool Writer::changes(Changes what) const {
  return std::ranges::any_of(group_, [what](const auto& write) { return write->changes() == what; });
}

void Writer::on_answer(Answers answers) {
  if (answers) {
    heard();
    made_.tasks.committed();
    rows_ = *std::move(answers);
    when_read_ = [this] { finish_group({}, std::exchange(rows_, {})); };
    return read_more(rows_, 0);
  }
  const Error& error = answers.error();
  if (fate_is_unknown(error)) {
    phase_ = Phase::kUnsettled;
    if (drained_) loop_.schedule(drain_timer_, kDrainPatience);
    if (connection_.up()) loop_.schedule(settle_timer_, kAskAgain);
    return;
  }
  const std::string state = sqlstate(error);
  if (state == kFencedState || state == kTakenState) {
    fence();
    return finish_failed(failure(Errc::kFenced).value());
  }
  if (may_try_again(error)) return;
  if (error.code != Errc::kRejected) return finish_failed(error);
  finish_failed({content_is_at_fault(state) ? std::make_error_code(std::errc::invalid_argument)
                                            : make_error_code(Errc::kUnavailable),
                 error.message});
}

// The group is stored. What its write number `first`, or one behind it, has to read beside its rows comes
// first.
void Writer::read_more(std::span<const Rows> rows, std::size_t first) {
  phase_ = Phase::kReading;
  for (std::size_t i = first; i < group_.size(); ++i) {
    Unit next;
    const auto own = rows.empty() ? rows : rows.subspan(places_[i].first, places_[i].second);
    const bool more = rows.empty() ? group_[i]->reads_anew(epoch_, next) : group_[i]->wants_more(own, next);
    if (more) return read_on(i, std::move(next));
  }
  std::exchange(when_read_, nullptr)();
}

void Writer::read_on(std::size_t of, Unit next) {
  connection_.run(std::move(next), [this, of](const Answers& answers) {
    if (phase_ != Phase::kReading) return;
    // What is refused again and again is not waited for: who needs it learns that it is missing.
    const bool refused = !answers && connection_.up() && ++reads_ > kMostReads;
    if (!answers && !refused && answers.error().code != Errc::kClosed) {
      unread_ = of;
      if (drained_) loop_.schedule(drain_timer_, kDrainPatience);
      if (connection_.up()) loop_.schedule(settle_timer_, kAskAgain);
      return;
    }
    heard();
    Unit more;
    if (answers && group_[of]->wants_more(*answers, more)) return read_on(of, std::move(more));
    read_more(rows_, of + 1);
  });
}

void Writer::read_anew() {
  if (phase_ != Phase::kReading || !unread_ || !connection_.up()) return;
  const std::size_t of = *std::exchange(unread_, std::nullopt);
  Unit next;
  if (group_[of]->reads_anew(epoch_, next)) return read_on(of, std::move(next));
  read_more(rows_, of + 1);
}

// Of a unit that was refused: whether it is sent in another way.
bool Writer::may_try_again(const Error& error) {
  const std::string state = sqlstate(error);
  if (state == "42P01" && !std::exchange(days_made_again_, true)) {
    // Partitions that went with what was old.
    for (const std::int32_t day : made_.tasks.days()) days_.forget(day);
    for (const std::int32_t day : made_.tasks.audit_days()) days_.forget_audit(day);
    made_.tasks.failed();
    send_group();
    return true;
  }
  // Two nodes that waited for each other's rows, or a name that another node has taken since: seen by now.
  const bool passes = state == "40P01" || state == "40001" ||
                      (state == "23505" && group_.size() == 1 && !changes(Changes::kNothing));
  if (passes && ++sent_again_ <= kMostAgain) {
    made_.tasks.failed();
    send_group();
    return true;
  }
  if (state == kMovedState && ++map_renewals_ <= kMostRenewals) {
    made_.tasks.failed();
    events_.on_old_map([this] {
      if (phase_ == Phase::kRunning) send_group();
    });
    return true;
  }
  if (!content_is_at_fault(state) || group_.size() == (with_inbox_ ? 2 : 1)) return false;
  if (std::exchange(with_inbox_, false)) {
    const auto inbox = std::move(group_.front());
    group_.erase(group_.begin());
    inbox->finish(failure(Errc::kUnavailable), {});
  }
  // When what one wrote is at fault, the others are not to suffer for it.
  made_.tasks.failed();
  metrics_.failed_commits.Increment();
  metrics_.queued_writes.Increment(static_cast<double>(group_.size()));
  singly_ = group_.size();
  waiting_.insert(waiting_.begin(), std::make_move_iterator(group_.begin()),
                  std::make_move_iterator(group_.end()));
  group_.clear();
  phase_ = Phase::kIdle;
  pump();
  return true;
}

void Writer::settle() {
  if (phase_ != Phase::kUnsettled || settling_ || !connection_.up()) return;
  settling_ = true;
  Unit unit;
  Params params;
  params.add(epoch_).add(number_);
  unit.add(kSettle, std::move(params));
  connection_.run(std::move(unit), [this](const Answers& answers) {
    settling_ = false;
    if (phase_ == Phase::kUnsettled) on_settled(answers);
  });
}

void Writer::on_settled(const Answers& answers) {
  if (answers) {
    heard();
    const Rows& rows = answers->at(0);
    if (rows.size() == 1 && rows.is_null(0, 0)) {
      made_.tasks.failed();
      return send_group();
    }
    return read_again(numbers_of(rows.bytes(0, 0)));
  }
  const Error& error = answers.error();
  if (error.code == Errc::kClosed) return finish_failed(error);
  if (sqlstate(error) == kFencedState) {
    fence();
    return finish_failed(failure(Errc::kFenced).value());
  }
  loop_.schedule(settle_timer_, kAskAgain);
}

// The unit was stored; now for what it answered.
void Writer::read_again(std::vector<std::int64_t> kept) {
  Unit unit;
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (const auto& write : group_) {
    const std::size_t from = unit.size();
    write->read_again(unit);
    places.emplace_back(from, unit.size() - from);
  }
  if (unit.size() == 0) return finish_stored(kept, {}, places);
  settling_ = true;
  connection_.run(std::move(unit),
                  [this, kept = std::move(kept), places = std::move(places)](Answers answers) {
                    settling_ = false;
                    if (phase_ != Phase::kUnsettled) return;
                    if (answers) return finish_stored(kept, *std::move(answers), places);
                    if (answers.error().code == Errc::kClosed) return finish_failed(answers.error());
                    loop_.schedule(settle_timer_, kAskAgain);
                  });
}

void Writer::finish_stored(const std::vector<std::int64_t>& kept, std::vector<Rows> again,
                           const std::vector<std::pair<std::size_t, std::size_t>>& places) {
  made_.tasks.committed();
  report({});
  events_.on_told_others();
  rows_.clear();
  when_read_ = [this, kept, again = std::make_shared<std::vector<Rows>>(std::move(again)), places] {
    finish_settled(kept, *again, places);
  };
  read_more({}, 0);
}

void Writer::finish_settled(const std::vector<std::int64_t>& kept, const std::vector<Rows>& again,
                            const std::vector<std::pair<std::size_t, std::size_t>>& places) {
  phase_ = Phase::kIdle;
  waits_since_.reset();
  unread_.reset();
  const auto group = std::exchange(group_, {});
  std::size_t next = 0;
  for (std::size_t i = 0; i < group.size(); ++i) {
    Answer answer{std::span(again).subspan(places[i].first, places[i].second), {}};
    if (group[i]->keeps_answer() && next < kept.size()) answer.settled = kept[next++];
    group[i]->finish({}, answer);
  }
  pump();
}

void Writer::finish_group(const Result<>& committed, const std::vector<Rows>& rows) {
  report(committed);
  if (committed) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - sent_at_;
    metrics_.commit_seconds.Observe(took.count());
    std::size_t answered = 0;
    for (const auto& place : places_) answered += place.second;
    metrics_.commit_rows.Observe(static_cast<double>(made_.tasks.rows() + answered));
    if (made_.tasks.concerns_others() || changes(Changes::kIdentities) || changes(Changes::kInstances))
      events_.on_told_others();
    if (made_.tasks.finishes()) events_.on_ended_tasks();
  }
  phase_ = Phase::kIdle;
  // One that was refused for what may pass is sent again, to wait as long.
  if (!failing_) waits_since_.reset();
  ended_at_ = loop_.clock().steady();
  unread_.reset();
  const auto group = std::exchange(group_, {});
  const auto places = std::exchange(places_, {});
  for (std::size_t i = 0; i < group.size(); ++i) {
    Answer answer;
    if (committed) answer.rows = std::span(rows).subspan(places[i].first, places[i].second);
    group[i]->finish(committed, answer);
  }
  pump();
}

void Writer::finish_failed(const Error& error) {
  made_.tasks.failed();
  metrics_.failed_commits.Increment();
  finish_group(tl::make_unexpected(error), {});
}

void Writer::fail_waiting(const Error& error) {
  singly_ = 0;
  const Result<> failed = tl::make_unexpected(error);
  for (auto& write : std::exchange(waiting_, {})) {
    metrics_.queued_writes.Decrement();
    write->finish(failed, {});
  }
}

void Writer::report(const Result<>& committed) {
  // A database that is away fails every write until it is back: one line says so.
  const bool content = !committed && committed.error().code == std::errc::invalid_argument;
  const bool closed = !committed && committed.error().code == Errc::kClosed;
  if (!committed && !failing_ && !content && !closed)
    spdlog::error("store: nothing was stored: {}", committed.error().message);
  if (committed && failing_) spdlog::warn("store: writes are stored again");
  failing_ = !committed && !content;
  refused_until_ = failing_ ? std::chrono::steady_clock::now() + kForgotten : SteadyTime{};
}

bool Writer::refused_lately() const { return std::chrono::steady_clock::now() < refused_until_.load(); }

void Writer::came_up() {
  refused_until_ = SteadyTime{};
  if (phase_ == Phase::kIdle && !failing_) waits_since_.reset();
  settle();
  read_anew();
  pump();
}

void Writer::went_down() {
  waits();
  failing_ = true;
  pump();
}

Millis Writer::unanswered() const {
  if (!waits_since_ || is_past() || works_on()) return Millis(0);
  return std::chrono::duration_cast<Millis>(loop_.clock().steady() - *waits_since_);
}

// Nobody has wanted to store anything since that failed.
bool Writer::is_past() const {
  return phase_ == Phase::kIdle && connection_.up() && loop_.clock().steady() - ended_at_ >= kForgotten;
}

// What takes its time is no trouble as long as the connection is there, which ends when nothing is heard.
bool Writer::works_on() const {
  const bool long_one = phase_ == Phase::kRunning && !group_.empty() && group_.front()->may_take_long();
  return connection_.up() && (phase_ == Phase::kReading || long_one);
}

void Writer::waits() {
  if (!waits_since_ || is_past()) waits_since_ = loop_.clock().steady();
}

void Writer::heard() {
  if (waits_since_) waits_since_ = loop_.clock().steady();
}

void Writer::fence() {
  if (std::exchange(fenced_, true)) return;
  spdlog::error("store: another node has taken over: nothing is stored any more");
  events_.on_fenced();
}

void Writer::drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  if (phase_ == Phase::kUnsettled || unread_) loop_.schedule(drain_timer_, kDrainPatience);
  pump();
}

void Writer::check_drained() {
  if (!drained_ || phase_ != Phase::kIdle || !waiting_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (!queued_.empty()) return;  // its pump() is on the way
  }
  drain_timer_.cancel();
  std::exchange(drained_, nullptr)();
}

}  // namespace drover::store::postgres
