#include "fleet/backoff.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace drover::fleet {

Millis Backoff::pause() const {
  thread_local std::minstd_rand random{std::random_device{}()};
  const int grown = std::max(0, failures_ - 1);
  const double base = std::min<double>(kLongest.count(), kFirst.count() * std::pow(kGrowth, grown));
  std::uniform_real_distribution<double> jitter(1 - kJitter, 1 + kJitter);
  return Millis(static_cast<Millis::rep>(base * jitter(random)));
}

}  // namespace drover::fleet
