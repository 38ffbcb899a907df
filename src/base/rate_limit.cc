#include "base/rate_limit.h"

#include <algorithm>
#include <mutex>

namespace drover {

RateLimit::RateLimit(std::uint32_t per_second, std::uint32_t burst)
    : interval_(per_second == 0 ? 0 : 1'000'000'000 / per_second),
      tolerance_(interval_ * (std::max(burst, 1U) - 1)) {}

std::optional<Millis> RateLimit::take(std::int64_t key, SteadyTime at) {
  if (interval_ == 0) return std::nullopt;
  const std::int64_t now = Nanos(at.time_since_epoch()).count();
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = keys_.find(key); found != keys_.end()) return take(found->second, now);
  }
  const std::lock_guard lock(mutex_);
  if (keys_.size() >= kMostKeys && !keys_.contains(key)) make_room(now);
  return take(keys_.try_emplace(key, now).first->second, now);
}

std::optional<Millis> RateLimit::wait(std::int64_t key, SteadyTime at) const {
  if (interval_ == 0) return std::nullopt;
  const std::shared_lock lock(mutex_);
  const auto found = keys_.find(key);
  if (found == keys_.end()) return std::nullopt;
  return wait(found->second.load(std::memory_order_relaxed), Nanos(at.time_since_epoch()).count());
}

std::optional<Millis> RateLimit::take(FullAt& full_at, std::int64_t now) const {
  std::int64_t before = full_at.load(std::memory_order_relaxed);
  while (true) {
    if (const auto longer = wait(before, now)) return longer;
    const std::int64_t full = std::max(before, now) + interval_;
    if (full_at.compare_exchange_weak(before, full, std::memory_order_relaxed)) return std::nullopt;
  }
}

std::optional<Millis> RateLimit::wait(std::int64_t full_at, std::int64_t now) const {
  const std::int64_t left = full_at - now - tolerance_;
  if (left <= 0) return std::nullopt;
  return std::chrono::ceil<Millis>(Nanos(left));
}

// A full bucket is as good as none.
void RateLimit::make_room(std::int64_t now) {
  std::erase_if(keys_, [now](const auto& entry) { return entry.second <= now; });
  if (keys_.size() > kMostKeys / 2) keys_.clear();  // else the next ones would sweep all over again
}

std::size_t RateLimit::keys() const {
  const std::shared_lock lock(mutex_);
  return keys_.size();
}

}  // namespace drover
