#include "task/lane.h"

#include <gtest/gtest.h>

namespace drover::task {
namespace {

OpenTaskPtr make_task(std::size_t jobs) {
  store::Task task;
  task.targets.assign(jobs, "phone");
  return std::make_shared<OpenTask>(std::move(task), SteadyTime(), [] {});
}

TEST(JobQueue, KeepsTheOrderAndPassesOverWhatHasEnded) {
  JobQueue queue;
  const OpenTaskPtr task = make_task(3);
  for (std::uint32_t i = 0; i < 3; ++i) queue.push({task, i});
  task->phases[1] = Phase::kEnded;
  EXPECT_EQ(queue.pop().index, 0u);
  EXPECT_EQ(queue.pop().index, 2u);
  EXPECT_FALSE(queue.pop());
  EXPECT_TRUE(queue.empty());
}

TEST(JobQueue, LetsGoOfTasksThatEndedBehindOneThatWaits) {
  JobQueue queue;
  const OpenTaskPtr waiting = make_task(1);
  queue.push({waiting, 0});
  std::vector<std::weak_ptr<OpenTask>> ended;
  for (int i = 0; i < 10'000; ++i) {
    const OpenTaskPtr task = make_task(1);
    queue.push({task, 0});
    task->phases[0] = Phase::kEnded;
    queue.drop_ended();
    ended.push_back(task);
  }
  const auto kept =
      std::count_if(ended.begin(), ended.end(), [](const auto& task) { return !task.expired(); });
  EXPECT_LE(kept, 128);
  EXPECT_EQ(queue.pop().task, waiting);
}

}  // namespace
}  // namespace drover::task
