#include "base/wall_watch.h"

#include <utility>

namespace drover {

WallWatch::WallWatch(const Clock& clock, std::int64_t known_ms)
    : clock_(clock),
      wall_ms_(clock.unix_ms()),
      steady_(clock.steady()),
      doubtful_until_(steady_ + kDoubtAtStart) {
  const Millis gap(wall_ms_ - known_ms);
  if (known_ms != 0 && std::chrono::abs(gap) > kGap) gap_ = gap;
}

WallWatch::Sight WallWatch::look() {
  const std::int64_t wall_ms = clock_.unix_ms();
  const SteadyTime steady = clock_.steady();
  const Millis wall_passed(wall_ms - std::exchange(wall_ms_, wall_ms));
  const auto passed = std::chrono::duration_cast<Millis>(steady - std::exchange(steady_, steady));

  Sight sight;
  sight.jump = std::exchange(gap_, Millis::zero());
  if (std::chrono::abs(wall_passed - passed) > kJump) sight.jump += wall_passed - passed;
  if (sight.jump != Millis::zero()) doubtful_until_ = steady + kDoubt;
  sight.doubtful = steady < doubtful_until_;
  return sight;
}

}  // namespace drover
