#include "store/postgres/clock_skew.h"

#include <spdlog/spdlog.h>

#include <chrono>

namespace drover::store::postgres {
namespace {

// An answer that took longer does not say well enough when it was given.
constexpr Millis kSlowest{500};

}  // namespace

Millis skew_of(const Clock& clock, Millis round_trip, std::int64_t database_ms) {
  return Millis(clock.unix_ms() - database_ms) - round_trip / 2;
}

std::string text_of_skew(Millis skew) {
  return fmt::format("this machine's clock is {:.1f} s {} the database's",
                     std::chrono::duration<double>(std::chrono::abs(skew)).count(),
                     skew > Millis(0) ? "ahead of" : "behind");
}

ClockSkew::ClockSkew(const Clock& clock, prometheus::Registry& registry)
    : clock_(clock),
      seconds_(prometheus::BuildGauge()
                   .Name("drover_clock_skew_seconds")
                   .Help("How far this machine's clock is ahead of the database's")
                   .Register(registry)
                   .Add({})) {}

void ClockSkew::measure(Millis round_trip, std::int64_t database_ms) {
  if (round_trip > kSlowest) return;
  const Millis skew = skew_of(clock_, round_trip, database_ms);
  seconds_.Set(std::chrono::duration<double>(skew).count());
  const Millis off = std::chrono::abs(skew);
  if (off > kSkewToTell && !told_) {
    told_ = true;
    spdlog::warn("store: {}: start deadlines go wrong by that, and so do times that are shown",
                 text_of_skew(skew));
  } else if (off < kSkewToTell / 2 && told_) {
    told_ = false;
    spdlog::info("store: this machine's clock agrees with the database's again");
  }
}

}  // namespace drover::store::postgres
