// Tasks and entries of many days, in any order: an engine may keep days apart, and nobody may notice.
#include <gtest/gtest.h>

#include "store/testing/store_fixture.h"

namespace drover::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kFirst = 19'000 * kDay;  // when the first of the days begins

class DaysTest : public StoreTest {
 protected:
  // `at_ms` counts from kFirst.
  static Task task_at(std::int64_t seq, std::int64_t at_ms, std::size_t jobs = 2) {
    static IdMaker ids;
    Task task = make_task(seq, jobs);
    task.created_ms = kFirst + at_ms;
    task.id = ids.next(task.created_ms);
    return task;
  }

  std::vector<std::int64_t> listed(std::int64_t before = 0, std::uint32_t limit = 100) {
    const auto tasks = list_tasks(store(), 1, before, limit).value();
    std::vector<std::int64_t> seqs;
    seqs.reserve(tasks.size());
    for (const auto& summary : tasks) seqs.push_back(summary.task.seq);
    return seqs;
  }

  std::uint64_t delete_all(const Retention& retention) {
    std::uint64_t sum = 0;
    while (const auto deleted = delete_old(store(), retention).value()) sum += deleted;
    return sum;
  }

  bool is_stored(const Task& task) {
    const bool read = read_task(store(), task.id).value().has_value();
    EXPECT_EQ(read_job(store(), task.id.job(0)).value().has_value(), read);
    return read;
  }
};

TEST_P(DaysTest, TasksAreReadAndListedAcrossThem) {
  std::vector<Task> tasks;
  for (const std::int64_t day : {1, 0, 5, 1, 400, 5})  // also while the clock is set back
    tasks.push_back(task_at(static_cast<std::int64_t>(tasks.size()) + 1, day * kDay));
  for (const Task& task : tasks) ASSERT_TRUE(write(store(), whole(task, task.created_ms + 1'000)));
  reopen();
  EXPECT_THAT(listed(), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(listed(5, 3), ElementsAre(4, 3, 2));
  EXPECT_THAT(listed(2, 3), ElementsAre(1));
  const auto summaries = list_tasks(store(), 1).value();
  for (const auto& summary : summaries) {
    EXPECT_EQ(summary.succeeded, 2u);
    EXPECT_EQ(summary.task.finished_ms, summary.task.created_ms + 1'000);
  }
  for (const Task& task : tasks) {
    EXPECT_TRUE(is_stored(task));
    EXPECT_EQ(read_job(store(), task.id.job(1)).value(), success());
  }
}

TEST_P(DaysTest, LastAndFirstMillisecondsAreOfTheirDays) {
  const Task last = task_at(1, kDay - 1);
  const Task first = task_at(2, kDay);
  ASSERT_TRUE(write(store(), whole(last, 5)));
  ASSERT_TRUE(write(store(), whole(first, 5)));
  EXPECT_TRUE(is_stored(last));
  EXPECT_TRUE(is_stored(first));
  EXPECT_THAT(listed(), ElementsAre(2, 1));
}

TEST_P(DaysTest, OneWriteMayHoldSeveral) {
  WriteBatch batch;
  std::vector<Task> tasks;
  for (std::int64_t seq = 1; seq <= 3; ++seq) {
    tasks.push_back(task_at(seq, (seq % 2) * 7 * kDay));
    WriteBatch one = whole(tasks.back(), kFirst + seq);
    batch.accepted.push_back(tasks.back());
    batch.begun.insert(batch.begun.end(), one.begun.begin(), one.begun.end());
    batch.ended.insert(batch.ended.end(), one.ended.begin(), one.ended.end());
    batch.finished.push_back(one.finished[0]);
    batch.audit.push_back(make_entry("", kFirst + seq * kDay));
    batch.audit.back().task = seq;
  }
  ASSERT_TRUE(write(store(), batch));
  for (const Task& task : tasks) EXPECT_TRUE(is_stored(task));
  EXPECT_EQ(read_audit(store())->size(), 3u);
  EXPECT_THAT(store().recover()->open, IsEmpty());
}

// A job may end long after its task was accepted.
TEST_P(DaysTest, JobsOfAnEarlierDayEndAndFinishLater) {
  const Task slow = task_at(1, 0);
  const Task quick = task_at(2, 3 * kDay);
  ASSERT_TRUE(write(store(), accept(slow)));
  ASSERT_TRUE(write(store(), accept(quick)));
  reopen();
  auto recovery = store().recover().value();
  ASSERT_EQ(recovery.open.size(), 2u);
  EXPECT_EQ(recovery.open[0].task, slow);
  EXPECT_EQ(recovery.open[1].task, quick);
  EXPECT_EQ(recovery.newest_ms, quick.created_ms);
  EXPECT_EQ(recovery.next_task, 3);

  WriteBatch batch;
  for (const std::int64_t task : {1, 2}) {
    for (std::uint32_t job = 0; job < 2; ++job) batch.ended.push_back({{task, job}, success()});
    batch.finished.push_back({task, kFirst + 4 * kDay});
  }
  ASSERT_TRUE(write(store(), batch));
  EXPECT_TRUE(is_stored(slow));
  EXPECT_TRUE(is_stored(quick));
  EXPECT_THAT(store().recover()->open, IsEmpty());
}

TEST_P(DaysTest, OldOnesGoAndOthersStay) {
  std::vector<Task> tasks;
  for (std::int64_t seq = 1; seq <= 4; ++seq) {
    tasks.push_back(task_at(seq, (seq - 1) * kDay));
    ASSERT_TRUE(write(store(), whole(tasks.back(), tasks.back().created_ms + 1)));
  }
  EXPECT_EQ(delete_all({.finished_before_ms = kFirst}), 0u);
  EXPECT_EQ(delete_all({.finished_before_ms = kFirst + 2 * kDay}), 4u);
  EXPECT_THAT(listed(), ElementsAre(4, 3));
  EXPECT_FALSE(is_stored(tasks[0]));
  EXPECT_FALSE(is_stored(tasks[1]));
  EXPECT_TRUE(is_stored(tasks[2]));
  // The clock is set back to a day that has gone.
  const Task back = task_at(5, 0);
  ASSERT_TRUE(write(store(), whole(back, back.created_ms + 1)));
  EXPECT_TRUE(is_stored(back));
  EXPECT_THAT(listed(), ElementsAre(5, 4, 3));
  reopen();
  EXPECT_EQ(store().recover()->next_task, 6);
  EXPECT_EQ(delete_all({.finished_before_ms = kFirst + 9 * kDay}), 6u);
  EXPECT_THAT(listed(), IsEmpty());
  reopen();
  EXPECT_EQ(store().recover()->next_task, 6);
}

TEST_P(DaysTest, AnOpenTaskStaysWhenAllElseOfItsDayGoes) {
  const Task open = task_at(1, 0);
  WriteBatch batch = accept(open);
  batch.ended.push_back({{1, 0}, success()});
  batch.begun.push_back({{1, 1}, 5});
  ASSERT_TRUE(write(store(), batch));
  const Task done = task_at(2, 1);
  ASSERT_TRUE(write(store(), whole(done, kFirst + 2)));
  EXPECT_EQ(delete_all({.finished_before_ms = kFirst + 9 * kDay}), 2u);
  EXPECT_TRUE(is_stored(open));
  EXPECT_FALSE(is_stored(done));
  reopen();
  const auto recovery = store().recover().value();
  ASSERT_EQ(recovery.open.size(), 1u);
  EXPECT_TRUE(recovery.open[0].outcomes[0]);
  EXPECT_EQ(recovery.begun.size(), 1u);
}

TEST_P(DaysTest, BeyondTheMostJobsTheOldestGo) {
  for (std::int64_t seq = 1; seq <= 4; ++seq)
    ASSERT_TRUE(write(store(), whole(task_at(seq, seq * kDay, 10), kFirst + seq * kDay + 1)));
  EXPECT_EQ(delete_all({.max_jobs = 40}), 0u);
  EXPECT_EQ(delete_all({.max_jobs = 39}), 10u);
  EXPECT_THAT(listed(), ElementsAre(4, 3, 2));
  reopen();
  EXPECT_EQ(delete_all({.max_jobs = 11}), 20u);
  EXPECT_THAT(listed(), ElementsAre(4));
}

TEST_P(DaysTest, AuditLogIsInTheOrderOfItsWrites) {
  const auto add = [this](const char* subject, std::int64_t day) {
    ASSERT_TRUE(add_audit(store(), {make_entry(subject, kFirst + day * kDay)}));
  };
  const auto subjects = [this](const AuditQuery& query) {
    std::vector<std::string> all;
    const auto entries = read_audit(store(), query).value();
    for (const AuditEntry& entry : entries) all.push_back(entry.subject);
    return all;
  };
  add("a2", 2);
  add("b5", 5);
  add("c2", 2);
  add("d0", 0);
  add("e5", 5);
  EXPECT_THAT(subjects({}), ElementsAre("a2", "b5", "c2", "d0", "e5"));
  EXPECT_THAT(subjects({.limit = 2}), ElementsAre("a2", "b5"));
  const std::int64_t second = read_audit(store(), {.limit = 2})->at(1).seq;
  EXPECT_THAT(subjects({.after = second, .limit = 2}), ElementsAre("c2", "d0"));
  EXPECT_THAT(subjects({.from_ms = kFirst + kDay, .until_ms = kFirst + 5 * kDay}), ElementsAre("a2", "c2"));
  EXPECT_THAT(subjects({.project = 1, .from_ms = kFirst + 5 * kDay}), ElementsAre("b5", "e5"));
  EXPECT_THAT(subjects({.project = 2}), IsEmpty());
  EXPECT_EQ(delete_all({.audit_before_ms = kFirst + kDay}), 1u);
  EXPECT_THAT(subjects({}), ElementsAre("a2", "b5", "c2", "e5"));
  EXPECT_EQ(delete_all({.audit_before_ms = kFirst + 90 * kDay}), 4u);
  add("late", 0);
  EXPECT_THAT(subjects({}), ElementsAre("late"));
}

ON_EVERY_ENGINE(DaysTest);

}  // namespace
}  // namespace drover::store
