// What is old goes, in small steps, and nothing else.
#include <gtest/gtest.h>

#include "store/testing/store_fixture.h"

namespace drover::store {
namespace {

class RetentionTest : public StoreTest {
 protected:
  std::uint64_t delete_all(const Retention& retention) {
    std::uint64_t sum = 0;
    while (const auto deleted = delete_old(store(), retention).value()) sum += deleted;
    return sum;
  }

  std::vector<std::int64_t> stored() {
    const auto tasks = list_tasks(store(), 1, 0, 10'000).value();
    std::vector<std::int64_t> seqs;
    seqs.reserve(tasks.size());
    for (const auto& summary : tasks) seqs.push_back(summary.task.seq);
    return seqs;
  }
};

TEST_P(RetentionTest, NothingGoesWithoutLimits) {
  ASSERT_TRUE(write(store(), whole(make_task(1, 1), 5)));
  EXPECT_EQ(delete_all({}), 0u);
  EXPECT_THAT(stored(), testing::ElementsAre(1));
}

TEST_P(RetentionTest, WhatFinishedBeforeGoes) {
  const Task gone = make_task(2, 3);
  ASSERT_TRUE(write(store(), whole(make_task(1, 2), 200)));
  ASSERT_TRUE(write(store(), whole(gone, 99)));
  ASSERT_TRUE(write(store(), whole(make_task(3, 2), 100)));
  ASSERT_TRUE(write(store(), accept(make_task(4, 2))));  // unfinished: stays at any age
  EXPECT_EQ(delete_all({.finished_before_ms = 100}), 3u);
  EXPECT_THAT(stored(), testing::ElementsAre(4, 3, 1));
  EXPECT_FALSE(read_task(store(), gone.id).value());
  EXPECT_FALSE(read_job(store(), gone.id.job(0)).value());
  EXPECT_EQ(delete_all({.finished_before_ms = 1'000'000}), 4u);
  EXPECT_THAT(stored(), testing::ElementsAre(4));
}

TEST_P(RetentionTest, BeyondTheMostJobsTheOldestGo) {
  for (std::int64_t seq = 1; seq <= 5; ++seq)
    ASSERT_TRUE(write(store(), whole(make_task(seq, 10), 100 - seq)));
  ASSERT_TRUE(write(store(), accept(make_task(6, 10))));
  EXPECT_EQ(delete_all({.max_jobs = 60}), 0u);
  EXPECT_EQ(delete_all({.max_jobs = 41}), 20u);
  EXPECT_THAT(stored(), testing::ElementsAre(6, 3, 2, 1));
  // The count is right also for a new process, and after a write that failed.
  reopen();
  EXPECT_FALSE(write(store(), accept(make_task(6, 1'000))));
  EXPECT_EQ(delete_all({.max_jobs = 40}), 0u);
  EXPECT_EQ(delete_all({.max_jobs = 39}), 10u);
  EXPECT_EQ(delete_all({.max_jobs = 1}), 20u);
  EXPECT_THAT(stored(), testing::ElementsAre(6));
}

TEST_P(RetentionTest, LargeTaskGoesInStepsAndIsGoneAfterTheFirst) {
  const Task large = make_task(1, 12'000);
  const Task later = make_task(2, 10);
  ASSERT_TRUE(write(store(), whole(large, 5)));
  ASSERT_TRUE(write(store(), whole(later, 6)));
  const Retention retention{.finished_before_ms = 10};

  const auto first = delete_old(store(), retention).value();
  EXPECT_GT(first, 4'000u);
  EXPECT_LE(first, 5'000u);
  EXPECT_FALSE(read_task(store(), large.id).value());
  EXPECT_FALSE(read_job(store(), large.id.job(11'999)).value());
  EXPECT_THAT(stored(), testing::ElementsAre(2));
  EXPECT_EQ(read_task(store(), later.id).value()->outcomes.size(), 10u);

  reopen();
  EXPECT_THAT(store().recover()->open, testing::IsEmpty());
  // What is left counts: with it there are more than 1,000 jobs.
  const auto second = delete_old(store(), {.max_jobs = 1'000}).value();
  EXPECT_GT(second, 4'000u);
  EXPECT_EQ(first + second + delete_all(retention), 12'010u);
  EXPECT_THAT(stored(), testing::IsEmpty());
}

TEST_P(RetentionTest, MuchOutputGoesInSteps) {
  const std::string output(1'048'576, 'x');
  ASSERT_TRUE(write(store(), whole(make_task(1, 20), 5, output)));
  EXPECT_EQ(delete_old(store(), {.finished_before_ms = 10}).value(), 16u);
  EXPECT_EQ(delete_old(store(), {.finished_before_ms = 10}).value(), 4u);
  EXPECT_EQ(delete_old(store(), {.finished_before_ms = 10}).value(), 0u);
}

TEST_P(RetentionTest, ManySmallTasksGoInSteps) {
  WriteBatch many;
  for (std::int64_t seq = 1; seq <= 1'500; ++seq) {
    WriteBatch one = whole(make_task(seq, 1), seq);
    many.accepted.push_back(std::move(one.accepted[0]));
    many.ended.push_back(std::move(one.ended[0]));
    many.finished.push_back(one.finished[0]);
  }
  ASSERT_TRUE(write(store(), std::move(many)));
  EXPECT_EQ(delete_old(store(), {.finished_before_ms = 10'000}).value(), 1'000u);
  EXPECT_EQ(stored().back(), 1'001);  // the oldest first
  EXPECT_EQ(delete_all({.finished_before_ms = 10'000}), 500u);
}

TEST_P(RetentionTest, NumbersOfDeletedTasksAreNotUsedAgain) {
  ASSERT_TRUE(write(store(), whole(make_task(41, 1), 5)));
  EXPECT_EQ(delete_all({.finished_before_ms = 10}), 1u);
  reopen();
  EXPECT_EQ(store().recover()->next_task, 42);
}

ON_EVERY_ENGINE(RetentionTest);

}  // namespace
}  // namespace drover::store
