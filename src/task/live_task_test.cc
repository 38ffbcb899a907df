#include "task/live_task.h"

#include <gtest/gtest.h>

namespace drover::task {
namespace {

TEST(LiveTaskTest, KeepsNoMemoryOfOutputsThatItDoesNotShow) {
  constexpr std::size_t kLarge = std::size_t{1} << 20;
  store::Task task;
  task.targets = {"p0"};
  LiveTask live(std::move(task));
  store::JobOutcome outcome;
  outcome.state = store::JobState::kSucceeded;
  outcome.shown = "the first words";
  outcome.out.bytes.assign(kLarge, 'o');
  outcome.err.bytes.assign(kLarge, 'e');
  live.ended(0, std::move(outcome));
  live.visit([&](std::size_t, const JobView& job) {
    ASSERT_NE(job.outcome, nullptr);
    EXPECT_EQ(job.outcome->shown, "the first words");
    EXPECT_LT(job.outcome->out.bytes.capacity(), kLarge);
    EXPECT_LT(job.outcome->err.bytes.capacity(), kLarge);
  });
}

}  // namespace
}  // namespace drover::task
