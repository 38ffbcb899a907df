#include "store/postgres/adoption.h"

#include <utility>

#include "store/errc.h"

namespace drover::store::postgres {
namespace {

const Statement kTakeShards{"take_shards", "SELECT drover.take_shards($1, $2)"};
const Statement kOwnShards{"own_shards", "SELECT id FROM drover.shard WHERE node = $1"};

}  // namespace

bool AdoptionWrite::read(const OpenTasks& tasks, Unit& next) {
  tasks_ = tasks;
  for (const auto& [day, seqs] : tasks_.by_day) days_.add(day);
  if (tasks_.by_day.empty()) {
    result_ = Adoption{shards_, {}, {}, {}};
    return false;
  }
  add_open_read(next, days_, tasks_);
  return true;
}

void AdoptionWrite::take(std::span<const Rows> rows) {
  auto records = open_records_of(rows);
  if (!records) {
    result_ = tl::make_unexpected(std::move(records.error()));
    return;
  }
  result_ = Adoption{shards_, std::move(records->tasks), std::move(records->begun),
                     std::exchange(tasks_.cancelled, {})};
}

void AdoptionWrite::finish(const Result<>& committed, const Answer&) {
  if (!committed) return done_(tl::make_unexpected(committed.error()));
  if (!result_) return done_(failure(Errc::kUnknownFate));
  done_(*std::exchange(result_, {}));
}

void TakeInbox::add_to(Group& group) {
  begin();
  reading_ = false;
  add_inbox(group.unit, group.epoch);
}

bool TakeInbox::wants_more(std::span<const Rows> rows, Unit& next) {
  if (!std::exchange(reading_, true)) return !rows.empty() && read(open_tasks_of(rows[0]), next);
  take(rows);
  return false;
}

bool TakeInbox::reads_anew(std::int64_t, Unit& next) {
  reading_ = false;
  add_open_list(next);
  return true;
}

bool TakeShards::reads_anew(std::int64_t epoch, Unit& next) {
  step_ = Step::kTaken;
  Params params;
  params.add(epoch);
  next.add(kOwnShards, std::move(params));
  return true;
}

void TakeShards::add_to(Group& group) {
  begin();
  step_ = Step::kTaken;
  Params params;
  params.add(group.epoch).add(static_cast<std::int64_t>(most_));
  group.unit.add(kTakeShards, std::move(params));
}

bool TakeShards::wants_more(std::span<const Rows> rows, Unit& next) {
  if (rows.empty()) return false;
  switch (step_) {
    case Step::kTaken:
      shards_.reset();
      for (int row = 0; row < rows[0].size(); ++row) {
        const auto shard = static_cast<std::size_t>(rows[0].integer(row, 0));
        if (shard < kShards) shards_.set(shard);
      }
      add_open_list(next);
      step_ = Step::kListed;
      return true;
    case Step::kListed:
      step_ = Step::kRead;
      return read(open_tasks_of(rows[0]), next);
    case Step::kRead:
      take(rows);
      return false;
  }
  return false;
}

}  // namespace drover::store::postgres
