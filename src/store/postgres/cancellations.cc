#include "store/postgres/cancellations.h"

#include <utility>

#include "store/errc.h"
#include "store/postgres/adoption.h"

namespace drover::store::postgres {
namespace {

constexpr Millis kPatience{10'000};

const Statement kCancelTask{"cancel_task", "SELECT drover.cancel_task($1)"};
const Statement kCancelDone{"cancel_done", "DELETE FROM drover.inbox WHERE id = $1"};

}  // namespace

Cancellations::Cancellations(Peers& peers, ShardKeeper& shards, Days& days)
    : peers_(peers), shards_(shards), days_(days) {}

void Cancellations::cancel(std::int64_t task, Done<> done) {
  if (peers_.over) return done(failure(Errc::kClosed));
  Unit unit;
  unit.add(kCancelTask, of_number(task));
  peers_.lease.run(
      std::move(unit), [this, task, done = std::move(done)](const Result<std::vector<Rows>>& rows) {
        if (!rows) {
          const bool unknown = rows.error().code == Errc::kUnknownFate;
          return done(failure(unknown ? Errc::kUnknownFate : Errc::kUnavailable, rows.error().message));
        }
        if (peers_.over) return done(failure(Errc::kClosed));
        if (rows->at(0).integer(0, 0) == 0) return done(failure(Errc::kNotFound));
        asked_.emplace(task, Asked{peers_.now() + kPatience, done});
        peers_.tell_others();
        peers_.pulse();
      });
}

std::vector<std::int64_t> Cancellations::asked() const {
  std::vector<std::int64_t> tasks;
  for (const auto& [task, each] : asked_) tasks.push_back(task);
  return tasks;
}

void Cancellations::look() {
  look_at_parcels();
  for (const std::int64_t task : peers_.news.cancelled) {
    const auto [begin, end] = asked_.equal_range(task);
    std::vector<Done<>> all;
    for (auto it = begin; it != end; ++it) all.push_back(std::move(it->second.done));
    asked_.erase(begin, end);
    for (const auto& done : all) done({});
  }
}

void Cancellations::look_at_parcels() {
  std::set<std::int64_t> still;
  std::vector<CancelParcel> fresh;
  for (const CancelParcel& parcel : peers_.news.cancels) {
    still.insert(parcel.id);
    if (!parcels_.insert(parcel.id).second) continue;
    fresh.push_back(parcel);
    shards_.cancelled(parcel.task);
  }
  std::erase_if(parcels_, [&](std::int64_t id) { return !still.contains(id); });
  if (fresh.empty()) return;
  // The task itself may still be on its way here: it has to come first.
  peers_.submit(std::make_unique<TakeInbox>(days_, [this, fresh](Result<Adoption> adoption) {
    const bool taken = adoption.has_value();
    shards_.adopt(std::move(adoption));
    if (peers_.over) return;
    for (const CancelParcel& parcel : fresh) {
      if (taken) {
        pass_on(parcel);
      } else {
        parcels_.erase(parcel.id);  // the next pulse finds it again
      }
    }
  }));
}

void Cancellations::pass_on(const CancelParcel& parcel) {
  peers_.events->on_cancel(parcel.task, [this, id = parcel.id] {
    peers_.loop.post([this, id] {
      if (peers_.over) return;
      Unit unit;
      unit.add(kCancelDone, of_number(id));
      peers_.lease.run(std::move(unit), [this, id](const Result<std::vector<Rows>>& rows) {
        if (!rows) parcels_.erase(id);  // so that it is asked, and answered, again
        if (!rows || peers_.over) return;
        peers_.tell_others();
        peers_.pulse();
      });
    });
  });
}

// Who has not done so until now will do so: that is stored.
void Cancellations::look_at_late() {
  const SteadyTime now = peers_.now();
  std::vector<Done<>> late;
  std::erase_if(asked_, [&](auto& each) {
    if (now < each.second.until) return false;
    late.push_back(std::move(each.second.done));
    return true;
  });
  for (const auto& done : late) done(failure(Errc::kUnknownFate, "not all nodes have answered"));
}

void Cancellations::stop() {
  for (auto& [task, each] : std::exchange(asked_, {})) each.done(failure(Errc::kClosed));
}

}  // namespace drover::store::postgres
