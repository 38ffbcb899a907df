#include "identity/failure_table.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace drover::identity {

// So that some class always holds more than its room when the table is full.
static_assert(FailureTable::kMostKeys > 7 * FailureTable::kRoom);

FailureTable::Class& FailureTable::class_of(std::uint32_t failures) {
  const std::size_t width = static_cast<std::size_t>(std::bit_width(failures));
  return classes_[std::min(width, classes_.size()) - 1];
}

const FailureTable::Entry* FailureTable::find(std::uint64_t key, SteadyTime now) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  if (found->second->last + memory_ > now) return &*found->second;
  erase(key);
  return nullptr;
}

void FailureTable::add(std::uint64_t key, SteadyTime now) {
  if (find(key, now) == nullptr) {
    if (entries_.size() == kMostKeys) make_room(now);
    Class& first = class_of(1);
    first.push_front({key, 1, now});
    entries_[key] = first.begin();
    return;
  }
  const auto at = entries_[key];
  Class& before = class_of(at->failures);
  if (at->failures < std::numeric_limits<std::uint32_t>::max()) ++at->failures;
  at->last = now;
  Class& after = class_of(at->failures);
  after.splice(after.begin(), before, at);
}

void FailureTable::take_back(std::uint64_t key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  const auto at = found->second;
  if (at->failures == 1) return erase(key);
  Class& before = class_of(at->failures);
  Class& after = class_of(--at->failures);
  after.splice(after.begin(), before, at);
}

void FailureTable::erase(std::uint64_t key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  class_of(found->second->failures).erase(found->second);
  entries_.erase(found);
}

void FailureTable::make_room(SteadyTime now) {
  for (const Class& some : classes_) {
    if (!some.empty() && some.back().last + memory_ <= now) return erase(some.back().key);
  }
  for (const Class& some : classes_) {
    if (some.size() > kRoom) return erase(some.back().key);
  }
}

}  // namespace drover::identity
