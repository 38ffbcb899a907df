// Writes that wait for each other: shared commits, faults, order.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "store/testing/store_fixture.h"

namespace drover::store {
namespace {

class WritesTest : public StoreTest {
 protected:
  // Queues `batch` while the writer is held; its result goes to results_[n] for the n-th call, and n to
  // order_.
  void queue(WriteBatch batch) {
    const std::size_t n = results_.size();
    results_.emplace_back();
    store().write(std::move(batch), [this, n](const Result<>& result, const WriteBatch&) {
      results_[n] = result;
      order_.push_back(n);
    });
  }

  double commits() { return metric("drover_store_commit_seconds"); }

  std::vector<Result<>> results_;
  std::vector<std::size_t> order_;
};

TEST_P(WritesTest, WhatWaitsIsCommittedTogether) {
  HeldWriter held(store());
  const double commits_before = commits();
  const double rows_before = metric("drover_store_commit_rows", true);
  for (std::int64_t seq = 1; seq <= 50; ++seq) queue(accept(make_task(seq, 1)));
  EXPECT_EQ(metric("drover_store_queued_writes"), 50);
  held.release();
  store().close();
  EXPECT_TRUE(std::ranges::all_of(results_, [](const Result<>& result) { return result.has_value(); }));
  EXPECT_EQ(commits() - commits_before, 1);
  EXPECT_EQ(metric("drover_store_commit_rows", true) - rows_before,
            100);  // a task and its mark as unfinished
  EXPECT_EQ(metric("drover_store_queued_writes"), 0);
}

TEST_P(WritesTest, CallbacksComeInTheOrderOfTheCalls) {
  constexpr std::size_t kCalls = 300;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < kCalls; ++i) {
    const auto note = [&order, i] { order.push_back(i); };
    if (i % 3 == 0) {
      store().write(accept(make_task(static_cast<std::int64_t>(i) + 1, 1)),
                    [note](const Result<>&, const WriteBatch&) { note(); });
    } else if (i % 3 == 1) {
      store().add_project({.id = std::to_string(i % 9), .name = "p" + std::to_string(i % 9)},
                          [note](const Result<Project>&) { note(); });
    } else {
      store().delete_old({}, [note](const Result<std::uint64_t>&) { note(); });
    }
  }
  store().close();
  ASSERT_EQ(order.size(), kCalls);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_P(WritesTest, FaultyWriteDoesNotHarmItsNeighbours) {
  const Task first = make_task(1, 1);
  Task same_id = make_task(2, 1);
  same_id.id = first.id;
  const Task last = make_task(3, 1);
  HeldWriter held(store());
  queue(accept(first));
  queue(accept(same_id));
  queue(accept(last));
  held.release();
  store().close();
  EXPECT_TRUE(results_[0]);
  ASSERT_FALSE(results_[1]);
  EXPECT_EQ(results_[1].error().code, std::errc::invalid_argument);
  EXPECT_THAT(results_[1].error().message, testing::HasSubstr("task"));
  EXPECT_TRUE(results_[2]);
  EXPECT_THAT(order_, testing::ElementsAre(0, 1, 2));
  reopen();
  EXPECT_EQ(read_task(store(), first.id).value()->task.seq, 1);
  EXPECT_TRUE(read_task(store(), last.id).value());
}

TEST_P(WritesTest, BatchIsStoredWholeOrNotAtAll) {
  ASSERT_TRUE(write(store(), whole(make_task(1, 1), 5)));
  const Task task = make_task(2, 1);
  WriteBatch batch = accept(task);
  batch.ended.push_back({{1, 0}, success()});  // has an outcome
  EXPECT_EQ(write(store(), std::move(batch)).error().code, std::errc::invalid_argument);
  EXPECT_FALSE(read_task(store(), task.id).value());
  EXPECT_TRUE(write(store(), accept(task)));
}

TEST_P(WritesTest, TasksThatCannotComeBackAreRefused) {
  std::vector<Task> tasks(3, make_task(1, 2));
  tasks[0].targets[1] = "a\nb";
  tasks[1].seq = 0;
  tasks[2].id = tasks[2].id.job(0);
  HeldWriter held(store());
  const double before = commits();
  for (const Task& task : tasks) queue(accept(task));
  queue(accept(make_task(2, 1)));
  held.release();
  store().close();
  for (std::size_t i = 0; i < tasks.size(); ++i)
    EXPECT_EQ(results_[i].error().code, std::errc::invalid_argument) << i;
  EXPECT_TRUE(results_[3]);
  EXPECT_EQ(commits() - before, 1);
}

TEST_P(WritesTest, RefusedChangesOfPeopleDoNotHarmTheirNeighbours) {
  HeldWriter held(store());
  const double before = commits();
  std::vector<std::error_code> codes;
  const auto note = [&codes](const Result<Project>& result) {
    codes.push_back(result ? std::error_code() : result.error().code);
  };
  store().add_project({.id = "a", .name = "a"}, note);
  store().add_project({.id = "a", .name = "a"}, note);
  store().add_project({.id = "b", .name = "b"}, note);
  held.release();
  store().close();
  EXPECT_THAT(codes,
              testing::ElementsAre(std::error_code(), make_error_code(Errc::kExists), std::error_code()));
  EXPECT_EQ(commits() - before, 1);
}

TEST_P(WritesTest, ManyThreadsAtOnce) {
  constexpr int kThreads = 4;
  constexpr std::int64_t kTasks = 100;
  std::atomic<int> failures = 0;
  std::atomic<int> missing = 0;
  std::vector<Task> tasks;
  for (std::int64_t seq = 1; seq <= kThreads * kTasks; ++seq) tasks.push_back(make_task(seq, 3));

  const auto work = [&](std::int64_t thread) {
    for (std::int64_t i = 0; i < kTasks; ++i) {
      const Task& task = tasks[static_cast<std::size_t>(thread * kTasks + i)];
      // What was acknowledged must be there for any read that follows.
      if (!write(store(), whole(task, task.seq))) ++failures;
      const auto record = read_task(store(), task.id);
      if (!record || !*record || !(*record)->outcomes[2]) ++missing;
      if (i % 16 == 0 && !list_tasks(store(), 1)) ++failures;
      if (i % 32 == 0 && !delete_old(store(), {})) ++failures;
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(missing, 0);
  EXPECT_EQ(list_tasks(store(), 1, 0, 10'000)->size(), tasks.size());
}

ON_EVERY_ENGINE(WritesTest);

}  // namespace
}  // namespace drover::store
