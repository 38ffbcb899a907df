// How long a phone that failed is left alone before the next try.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace drover::fleet {

// As gRPC's connection backoff has it: the pause grows by 1.6 with each failure in a row up to a limit, with
// 20% of jitter, so that 10,000 phones of one host that restarts do not come back in step.
class Backoff {
 public:
  static constexpr Millis kFirst{500};
  static constexpr Millis kLongest{30'000};
  static constexpr double kGrowth = 1.6;
  static constexpr double kJitter = 0.2;

  void failed() {
    if (failures_ < 0xff) ++failures_;
  }
  // What comes next is a first try again.
  void reset() { failures_ = 0; }

  // The last try failed, or what came of it was not worth much.
  bool failing() const { return failures_ > 0; }
  // kFirst after none or one failure; its jitter is drawn anew in each call.
  Millis pause() const;

 private:
  std::uint8_t failures_ = 0;  // in a row
};

}  // namespace drover::fleet
