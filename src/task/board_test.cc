#include "task/board.h"

#include <gtest/gtest.h>

namespace drover::task {
namespace {

LiveTaskPtr make_task(IdMaker& ids, std::size_t jobs) {
  store::Task task;
  task.id = ids.next(1);
  task.targets.assign(jobs, "phone");
  return std::make_shared<LiveTask>(std::move(task));
}

TEST(Board, OpenTasksStayAndFinishedOnesMakeRoom) {
  IdMaker ids;
  Board board(16 * 10'000);
  const LiveTaskPtr open = make_task(ids, 1000);
  board.add(open);
  std::vector<LiveTaskPtr> finished;
  for (int i = 0; i < 1000; ++i) {
    finished.push_back(make_task(ids, 10));
    board.add(finished.back());
    finished.back()->finish(1);
    board.finished(finished.back());
  }
  EXPECT_EQ(board.find(open->task().id), open);
  EXPECT_EQ(board.find(finished.front()->task().id), nullptr);
  EXPECT_EQ(board.find(finished.back()->task().id), finished.back());
}

TEST(Board, TakesATaskFromTheStoreOnlyOnce) {
  IdMaker ids;
  Board board(1 << 20);
  const LiveTaskPtr one = make_task(ids, 1);
  one->finish(1);
  board.add(one);
  store::Task same = one->task();
  const auto other = std::make_shared<LiveTask>(std::move(same));
  other->finish(1);
  board.add(other);
  EXPECT_EQ(board.find(one->task().id), one);
}

TEST(LiveTask, CountsAndTellsWhoWaits) {
  IdMaker ids;
  const LiveTaskPtr task = make_task(ids, 3);
  int told = 0;
  task->when_finished([&told] { ++told; });
  task->begun(0);
  EXPECT_EQ(task->counts().running, 1u);
  store::JobOutcome ok;
  ok.state = store::JobState::kSucceeded;
  task->ended(0, ok);
  store::JobOutcome lost;
  lost.state = store::JobState::kLost;
  task->ended(1, lost);
  EXPECT_EQ(task->counts().running, 0u);
  EXPECT_EQ(task->counts().succeeded, 1u);
  EXPECT_EQ(task->counts().lost, 1u);
  EXPECT_EQ(task->counts().ended(), 2u);
  task->ended(2, ok);
  EXPECT_EQ(told, 0);
  task->finish(5);
  EXPECT_EQ(told, 1);
  task->when_finished([&told] { ++told; });
  EXPECT_EQ(told, 2);
}

}  // namespace
}  // namespace drover::task
