#include "task/retention.h"

#include <spdlog/spdlog.h>

namespace drover::task {
namespace {

constexpr Millis kPauseWhenDone{60'000};
// Between two steps of one clean-up, so that commits of tasks and jobs go before it.
constexpr Millis kPauseBetweenSteps{40};

}  // namespace

Retention::Retention(Loop& loop, store::Store& store, RetentionOptions options)
    : loop_(loop), store_(store), options_(options), timer_([this] { step(); }) {}

void Retention::start() { step(); }

void Retention::step() {
  store::Retention limits;
  limits.finished_before_ms = loop_.clock().unix_ms() - Millis(options_.age).count();
  limits.max_jobs = options_.max_jobs;
  store_.delete_old(limits, [this](Result<std::uint64_t> deleted) {
    if (!deleted) spdlog::warn("old tasks could not be deleted: {}", deleted.error().message);
    const bool more = deleted && *deleted > 0;
    loop_.post([this, more] { loop_.schedule(timer_, more ? kPauseBetweenSteps : kPauseWhenDone); });
  });
}

}  // namespace drover::task
