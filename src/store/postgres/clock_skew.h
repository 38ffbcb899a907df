// How far this machine's clock is from the database's. Nodes do not compare clocks with each other, but all
// of them with that one: what one of them dates, another judges by its own.
#pragma once

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace drover::store::postgres {

// From here on deadlines of seconds go wrong, which a log entry says.
inline constexpr Millis kSkewToTell{1'000};
// And from here on those of minutes: such a node does not join others.
inline constexpr Millis kSkewToRefuse{30'000};

// This machine's clock is so far ahead; negative: behind. `round_trip`: from before the question, to which
// the answer was `database_ms`, until now.
Millis skew_of(const Clock& clock, Millis round_trip, std::int64_t database_ms);
// "this machine's clock is 12.5 s ahead of the database's"
std::string text_of_skew(Millis skew);

// Belongs to one thread.
class ClockSkew {
 public:
  ClockSkew(const Clock& clock, prometheus::Registry& registry);

  void measure(Millis round_trip, std::int64_t database_ms);

 private:
  const Clock& clock_;
  prometheus::Gauge& seconds_;
  bool told_ = false;
};

}  // namespace drover::store::postgres
