#include "store/postgres/watched_tasks.h"

namespace drover::store::postgres {
namespace {

constexpr std::string_view kWaits = "waits ";
constexpr Millis kAnnounce{700};    // less than a pulse takes to come again
constexpr Millis kBelieved{3'000};  // so long after it was said: one hint may get lost

const Statement kSayThatWaits{"say_that_waits", "SELECT pg_notify('drover', 'waits ' || $1::int8)"};

}  // namespace

bool WatchedTasks::add(std::int64_t task) {
  const bool fresh = tasks_.insert(task).second;
  announce();
  return fresh;
}

void WatchedTasks::announce() {
  const SteadyTime now = peers_.now();
  if (tasks_.empty() || peers_.news.others.empty() || now - announced_at_ < kAnnounce) return;
  announced_at_ = now;
  Unit unit;
  unit.add(kSayThatWaits, of_number(peers_.epoch));
  peers_.lease.run(std::move(unit), [](const Result<std::vector<Rows>>&) {});
}

void WatchedTasks::look() {
  if (peers_.news.finished.empty()) return;
  for (const std::int64_t task : peers_.news.finished) tasks_.erase(task);
  peers_.events->on_finished(peers_.news.finished);
}

bool WatchedTasks::heard(std::string_view payload) {
  if (!payload.starts_with(kWaits)) return false;
  if (payload.substr(kWaits.size()) != std::to_string(peers_.epoch))
    others_wait_until_ = peers_.now() + kBelieved;
  return true;
}

}  // namespace drover::store::postgres
