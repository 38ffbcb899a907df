// Whether the wall clock may be believed where a mistake cannot be made good, as before deleting what is old.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace drover {

// Doubts the wall clock for a day of steady time after it has moved by much more, or less, than time has
// passed: time enough for people or NTP to put it right. It is believed then, because it may well be right:
// clocks stand at 1970 until they are first set, and the steady clock does not count while a machine sleeps.
// Doubts are not stored; so that a restart does not end them at once, every start begins with an hour of
// doubt.
//
// Not thread-safe. `clock` outlives it.
class WallWatch {
 public:
  static constexpr Millis kJump{3'600'000};
  // Nobody was there to see how much time has passed between two starts: a longer gap than this is doubted,
  // and so is a clock that is so far behind what it said before.
  static constexpr Millis kGap{24 * 3'600'000};
  static constexpr Seconds kDoubt{24 * 3600};
  static constexpr Seconds kDoubtAtStart{3600};

  // `known_ms`: the last time that is known from before, by the wall clock; 0: none.
  WallWatch(const Clock& clock, std::int64_t known_ms);

  struct Sight {
    bool doubtful = false;
    Millis jump{0};  // how far it has jumped since the last look, back if negative; 0 if it has not
  };
  // To be called before each use, and now and then.
  Sight look();

 private:
  const Clock& clock_;
  std::int64_t wall_ms_;
  SteadyTime steady_;
  Millis gap_{0};  // between two starts, until it has been told
  SteadyTime doubtful_until_;
};

}  // namespace drover
