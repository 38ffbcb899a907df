#include "task/retention.h"

#include <spdlog/spdlog.h>

namespace drover::task {
namespace {

constexpr Millis kPauseWhenDone{60'000};
// Between two steps of one clean-up, so that commits of tasks and jobs go before it.
constexpr Millis kPauseBetweenSteps{40};

}  // namespace

Retention::Retention(Loop& loop, store::Store& store, RetentionOptions options, std::int64_t newest_ms)
    : loop_(loop), store_(store), options_(options), watch_(loop.clock(), newest_ms), timer_([this] {
        step();
      }) {}

void Retention::start() { step(); }

bool Retention::doubts_clock() {
  const WallWatch::Sight sight = watch_.look();
  if (sight.jump != Millis::zero()) {
    spdlog::warn(
        "the clock is {:+} hours off the time known before: for a day nothing is deleted for its age, in "
        "case the "
        "clock is wrong",
        std::chrono::duration_cast<std::chrono::hours>(sight.jump).count());
  }
  return sight.doubtful;
}

void Retention::step() {
  store::Retention limits;
  if (!doubts_clock()) {
    const std::int64_t now = loop_.clock().unix_ms();
    limits.finished_before_ms = now - Millis(options_.age).count();
    limits.audit_before_ms = now - Millis(options_.audit_age).count();
  }
  limits.max_jobs = options_.max_jobs;
  store_.delete_old(limits, [this](Result<std::uint64_t> deleted) {
    if (!deleted) spdlog::warn("what is old could not be deleted: {}", deleted.error().message);
    const bool more = deleted && *deleted > 0;
    loop_.post([this, more] { loop_.schedule(timer_, more ? kPauseBetweenSteps : kPauseWhenDone); });
  });
}

}  // namespace drover::task
