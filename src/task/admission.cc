#include "task/admission.h"

#include <algorithm>

#include "task/errc.h"

namespace drover::task {
namespace {

// An open task with its places in the tables, its timer and its waiters; a job in its task and in its lane.
// Measured: a queued task of one job takes 1,090 bytes, one of 100 jobs 10,060. Rounded up.
constexpr std::uint64_t kTaskBytes = 1100;
constexpr std::uint64_t kJobBytes = 96;
constexpr Place kSmallest{1, kTaskBytes + kJobBytes};
constexpr std::size_t kInPlace = 15;  // characters that a string holds without memory of its own
constexpr std::uint64_t kAllocation = 16;

std::uint64_t text_bytes(const std::string& text) {
  return text.size() > kInPlace ? text.size() + kAllocation : 0;
}

bool fits(Place used, Place more, Place limit) {
  return used.jobs + more.jobs <= limit.jobs && used.bytes + more.bytes <= limit.bytes;
}

}  // namespace

std::uint64_t memory_of(const std::string& command, const std::vector<std::string>& targets) {
  std::uint64_t bytes = kTaskBytes + text_bytes(command) + targets.size() * kJobBytes;
  for (const std::string& target : targets) bytes += text_bytes(target);
  return bytes;
}

std::uint64_t memory_of(const store::JobOutcome& outcome) {
  return sizeof outcome + kAllocation + text_bytes(outcome.message) + text_bytes(outcome.shown);
}

Result<> Admission::allowed(std::int64_t project, Place place) const {
  if (closed_) return failure(Errc::kDraining);
  if (!fits(all_, place, limit_)) return failure(Errc::kQueueFull);
  const auto mine = projects_.find(project);
  if (!fits(mine == projects_.end() ? Place() : mine->second, place, limit_per_project_)) {
    return failure(Errc::kProjectFull);
  }
  return {};
}

void Admission::add(std::int64_t project, Place place) {
  all_.jobs += place.jobs;
  all_.bytes += place.bytes;
  Place& mine = projects_[project];
  mine.jobs += place.jobs;
  mine.bytes += place.bytes;
}

Result<> Admission::enter(std::int64_t project, Place place) {
  const std::lock_guard lock(mutex_);
  if (!closed_ && !(fits({}, place, limit_) && fits({}, place, limit_per_project_)))
    return failure(Errc::kTooLarge);
  auto good = allowed(project, place);
  if (good) add(project, place);
  return good;
}

Result<> Admission::check(std::int64_t project) const {
  const std::lock_guard lock(mutex_);
  return allowed(project, kSmallest);
}

std::vector<std::int64_t> Admission::full() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::int64_t> full;
  if (!fits(all_, kSmallest, limit_)) full.push_back(0);
  for (const auto& [project, mine] : projects_)
    if (!fits(mine, kSmallest, limit_per_project_)) full.push_back(project);
  return full;
}

void Admission::take(std::int64_t project, Place place) {
  const std::lock_guard lock(mutex_);
  add(project, place);
}

void Admission::leave(std::int64_t project, Place place) {
  const std::lock_guard lock(mutex_);
  all_.jobs -= place.jobs;
  all_.bytes -= place.bytes;
  Place& mine = projects_[project];
  mine.jobs -= place.jobs;
  mine.bytes -= place.bytes;
}

void Admission::job_ended(std::int64_t project, std::uint64_t outcome_bytes) {
  const std::lock_guard lock(mutex_);
  --all_.jobs;
  all_.bytes += outcome_bytes;
  Place& mine = projects_[project];
  --mine.jobs;
  mine.bytes += outcome_bytes;
}

void Admission::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

bool Admission::empty() const {
  const std::lock_guard lock(mutex_);
  const auto none = [](const Place& place) { return place.jobs == 0 && place.bytes == 0; };
  return none(all_) && std::ranges::all_of(projects_, [&](const auto& mine) { return none(mine.second); });
}

}  // namespace drover::task
