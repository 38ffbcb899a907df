#include "store/postgres/lease.h"

#include <chrono>
#include <utility>

namespace drover::store::postgres {
namespace {

// From a renewal to the next one's answer: in an outage as long as this another node's lease may end.
constexpr Millis kGap = kLeaseTime / 2;

std::int64_t ticks(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

Lease::Lease(const Peers& peers)
    : peers_(peers), trusted_until_(ticks(peers.now() + kLeaseTime - kLeaseMargin)) {}

bool Lease::trusted() const {
  return ticks(std::chrono::steady_clock::now()) < trusted_until_.load(std::memory_order_acquire);
}

bool Lease::may_renew(Millis unanswered, Millis behind) const {
  if (unanswered >= kLeaseTime) return false;
  if (peers_.joined && behind >= kLeaseTime - kLeaseMargin && !peers_.serving().empty()) return false;
  return !back_at_ || goes_by_all() || peers_.now() - *back_at_ < kLeaseTime;
}

bool Lease::renewed(SteadyTime sent_at) {
  const bool again = trust(sent_at);
  const SteadyTime now = peers_.now();
  if (!std::exchange(renewed_, true) || now - renewed_at_ >= kGap) renewed_since_ = now;
  renewed_at_ = sent_at;
  return again;
}

void Lease::failed() {
  renewed_ = false;
  back_at_.reset();
  trusts_from_ = 0;
}

bool Lease::steady() const { return renewed_ && peers_.now() - renewed_since_ >= kLeaseTime; }

// While it was not trusted, the others may have changed something without waiting for this node, or one may
// have joined: that has to count here first.
bool Lease::trust(SteadyTime sent_at) {
  if (peers_.joined && !trusted()) {
    // Until others see the renewal they change things without waiting for this node: what counts is what is
    // asked after its answer.
    if (!back_at_) {
      back_at_ = peers_.now();
      return true;
    }
    if (trusts_from_ == 0 && sent_at < *back_at_) return false;
    if (trusts_from_ == 0) trusts_from_ = peers_.news.directory;
    if (!goes_by_all()) return false;
  }
  back_at_.reset();
  trusts_from_ = 0;
  trusted_until_.store(ticks(sent_at + kLeaseTime - kLeaseMargin), std::memory_order_release);
  return false;
}

bool Lease::goes_by_all() const {
  return trusts_from_ != 0 && peers_.known >= trusts_from_ && peers_.known <= peers_.news.directory &&
         (!peers_.alone || peers_.news.map.alone);
}

}  // namespace drover::store::postgres
