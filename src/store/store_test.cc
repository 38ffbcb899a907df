// What is stored comes back, as it was and where it was.
#include <gtest/gtest.h>

#include "store/testing/store_fixture.h"

namespace drover::store {
namespace {

using namespace std::string_literals;

// What reading a task brings of an outcome.
JobOutcome without_output(JobOutcome outcome) {
  outcome.out = {};
  outcome.err = {};
  return outcome;
}

// 1 MiB in which every byte value occurs, so also NULs and what is no UTF-8.
std::string all_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
  return bytes;
}

class StoreContractTest : public StoreTest {
 protected:
  // Stores `outcome` as that of a task's only job and reads it back, also after a restart.
  void expect_round_trip(std::int64_t seq, const JobOutcome& outcome) {
    const Task task = make_task(seq, 1);
    WriteBatch batch = accept(task);
    batch.ended.push_back({{seq, 0}, outcome});
    ASSERT_TRUE(write(store(), std::move(batch)));
    EXPECT_EQ(read_job(store(), task.id.job(0)).value(), outcome);
    EXPECT_EQ(read_task(store(), task.id).value()->outcomes,
              (std::vector{std::optional(without_output(outcome))}));
    reopen();
    EXPECT_EQ(read_job(store(), task.id.job(0)).value(), outcome);
  }
};

TEST_P(StoreContractTest, TaskComesBackAsAccepted) {
  Task task = make_task(7, 3, 42);
  task.command = "printf 'a\nb\0c\xff'"s;
  task.targets = {"b", "a", "b"};
  ASSERT_TRUE(write(store(), accept(task)));
  const auto record = read_task(store(), task.id).value();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->task, task);
  EXPECT_EQ(record->outcomes, std::vector<std::optional<JobOutcome>>(3));
}

TEST_P(StoreContractTest, BatchComesBackToItsWriter) {
  using Answer = std::pair<Result<>, WriteBatch>;
  const auto [result, batch] = wait_for<Answer>([&](auto done) {
    store().write(whole(make_task(1, 2), 5), [done](Result<> r, WriteBatch b) { done({r, std::move(b)}); });
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(batch.accepted.size(), 1u);
  EXPECT_EQ(batch.begun.size(), 2u);
  EXPECT_EQ(batch.ended.size(), 2u);
  EXPECT_EQ(batch.finished.size(), 1u);
}

TEST_P(StoreContractTest, OutcomeComesBackWithEveryField) {
  JobOutcome outcome;
  outcome.state = JobState::kLost;
  outcome.error = JobError::kInternal;
  outcome.exit_code = -2'147'483'647;
  outcome.begun_ms = 1;
  outcome.ended_ms = 9'000'000'000'000;
  outcome.message = "why \xc3\xa9";
  outcome.shown = "o\0e\xff"s;
  outcome.out = {"o\0"s, 12'345'678'901, 2};
  outcome.output_bytes = 12'345'678'908;
  outcome.output_hash = 0xFEDCBA9876543210;
  outcome.err = {"e\xff", 3, 1};
  expect_round_trip(1, outcome);
}

TEST_P(StoreContractTest, TaskCannotFinishBeforeItsJobs) {
  ASSERT_TRUE(write(store(), accept(make_task(1, 2))));
  WriteBatch batch;
  batch.ended.push_back({{1, 0}, success()});
  batch.finished.push_back({1, 9});
  EXPECT_EQ(write(store(), batch).error().code, std::errc::invalid_argument);
  batch.ended.push_back({{1, 1}, success()});
  EXPECT_TRUE(write(store(), batch)) << "nothing of the refused batch may be there";
}

TEST_P(StoreContractTest, OutputThatIsShownWholeComesBack) {
  std::int64_t seq = 0;
  for (const std::string shown : {"", "x"}) {
    for (const std::string out : {"", "x", "y"}) {
      for (const std::string err : {"", "x", "y"}) {
        JobOutcome outcome = success();
        outcome.shown = shown;
        outcome.out.bytes = out;
        outcome.err.bytes = err;
        SCOPED_TRACE(testing::Message() << "shown " << shown << ", out " << out << ", err " << err);
        expect_round_trip(++seq, outcome);
      }
    }
  }
}

TEST_P(StoreContractTest, LargeOutputComesBack) {
  JobOutcome outcome = success(all_bytes(1'048'576));
  outcome.err.bytes = all_bytes(1'048'577);
  outcome.err.omitted = 99;
  outcome.err.omitted_at = 524'288;
  expect_round_trip(1, outcome);
}

TEST_P(StoreContractTest, OutcomesStandAtTheirTargets) {
  const Task task = make_task(3, 4);
  WriteBatch batch = accept(task);
  batch.ended.push_back({{3, 3}, success("three")});
  batch.ended.push_back({{3, 1}, success("one")});
  ASSERT_TRUE(write(store(), std::move(batch)));
  // Neighbours, whose jobs are no jobs of task 3.
  ASSERT_TRUE(write(store(), whole(make_task(2, 4), 9)));
  ASSERT_TRUE(write(store(), whole(make_task(4, 4), 9)));
  const auto outcomes = read_task(store(), task.id).value()->outcomes;
  ASSERT_EQ(outcomes.size(), 4u);
  EXPECT_FALSE(outcomes[0]);
  EXPECT_EQ(outcomes[1]->shown, "one");
  EXPECT_FALSE(outcomes[2]);
  EXPECT_EQ(outcomes[3]->shown, "three");
  EXPECT_FALSE(read_job(store(), task.id.job(0)).value());
  EXPECT_EQ(read_job(store(), task.id.job(3)).value()->out.bytes, "three");
}

TEST_P(StoreContractTest, UnknownIdsAreNothing) {
  const Task task = make_task(1, 1);
  ASSERT_TRUE(write(store(), whole(task, 5)));
  const Id other = make_task(2, 1).id;
  EXPECT_EQ(read_task(store(), other).value().has_value(), false);
  EXPECT_EQ(read_task(store(), task.id.job(0)).value().has_value(), false);  // a job, not a task
  EXPECT_EQ(read_job(store(), other.job(0)).value(), std::nullopt);
  EXPECT_EQ(read_job(store(), task.id).value(), std::nullopt);  // a task, not a job
  EXPECT_EQ(read_job(store(), task.id.job(1)).value(), std::nullopt);
  // An index that would reach into the next task's keys.
  ASSERT_TRUE(write(store(), whole(make_task(2, 1), 5)));
  EXPECT_EQ(read_job(store(), task.id.job(JobKey::kMaxJobs)).value(), std::nullopt);
}

TEST_P(StoreContractTest, TasksAreListedNewestFirstInPages) {
  for (std::int64_t seq = 1; seq <= 9; ++seq) ASSERT_TRUE(write(store(), accept(make_task(seq, 1, seq % 2))));
  const auto seqs = [&](std::int64_t before, std::uint32_t limit) {
    const auto tasks = list_tasks(store(), 1, before, limit).value();
    std::vector<std::int64_t> all;
    all.reserve(tasks.size());
    for (const auto& summary : tasks) all.push_back(summary.task.seq);
    return all;
  };
  EXPECT_THAT(seqs(0, 3), testing::ElementsAre(9, 7, 5));
  EXPECT_THAT(seqs(5, 3), testing::ElementsAre(3, 1));
  EXPECT_THAT(seqs(1, 3), testing::IsEmpty());
  EXPECT_THAT(list_tasks(store(), 77).value(), testing::IsEmpty());
}

TEST_P(StoreContractTest, SummariesCountWhatEnded) {
  const Task task = make_task(1, 3);
  ASSERT_TRUE(write(store(), accept(task)));
  WriteBatch some;
  some.ended.push_back({{1, 0}, success()});
  JobOutcome failed = success();
  failed.state = JobState::kFailed;
  some.ended.push_back({{1, 1}, failed});
  ASSERT_TRUE(write(store(), std::move(some)));

  auto summary = list_tasks(store(), 1).value().at(0);
  EXPECT_EQ(summary.jobs, 3u);
  EXPECT_EQ(summary.ended(), 2u);
  EXPECT_EQ(summary.succeeded, 1u);
  EXPECT_EQ(summary.task.finished_ms, 0);
  EXPECT_THAT(summary.task.targets, testing::IsEmpty());
  EXPECT_EQ(summary.task.command, task.command);

  WriteBatch last;
  last.ended.push_back({{1, 2}, success()});
  last.finished.push_back({1, 77});
  ASSERT_TRUE(write(store(), std::move(last)));
  summary = list_tasks(store(), 1).value().at(0);
  EXPECT_EQ(summary.ended(), 3u);
  EXPECT_EQ(summary.succeeded, 2u);
  EXPECT_EQ(summary.task.finished_ms, 77);
  EXPECT_EQ(read_task(store(), task.id).value()->task.finished_ms, 77);
}

TEST_P(StoreContractTest, RecoveryBringsWhatIsOpen) {
  EXPECT_EQ(store().recover()->next_task, 1);
  EXPECT_EQ(store().recover()->newest_ms, 0);
  ASSERT_TRUE(write(store(), whole(make_task(1, 2), 5)));
  const Task open = make_task(2, 3);
  WriteBatch batch = accept(open);
  batch.begun.push_back({{2, 0}, 10});
  batch.begun.push_back({{2, 2}, 12});
  batch.ended.push_back({{2, 2}, success("two")});
  ASSERT_TRUE(write(store(), std::move(batch)));
  // All have ended, but nobody reported the task as finished.
  WriteBatch unreported = whole(make_task(9, 1), 5);
  unreported.finished.clear();
  ASSERT_TRUE(write(store(), std::move(unreported)));
  reopen();

  const auto recovery = store().recover().value();
  EXPECT_EQ(recovery.next_task, 10);
  EXPECT_EQ(recovery.newest_ms, make_task(9, 1).created_ms);
  ASSERT_EQ(recovery.open.size(), 2u);
  EXPECT_EQ(recovery.open[0].task, open);
  EXPECT_FALSE(recovery.open[0].outcomes[0]);
  EXPECT_FALSE(recovery.open[0].outcomes[1]);
  EXPECT_EQ(recovery.open[0].outcomes[2], without_output(success("two")));
  EXPECT_EQ(recovery.open[1].task.seq, 9);
  EXPECT_TRUE(recovery.open[1].outcomes[0]);
  ASSERT_EQ(recovery.begun.size(), 1u);
  EXPECT_EQ(recovery.begun[0].job, (JobKey{2, 0}));
  EXPECT_EQ(recovery.begun[0].at_ms, 10);
}

TEST_P(StoreContractTest, ABeginningThatIsTakenBackIsForgotten) {
  WriteBatch batch = accept(make_task(1, 3));
  for (const std::uint32_t job : {0u, 1u, 2u}) batch.begun.push_back({{1, job}, 10});
  ASSERT_TRUE(write(store(), std::move(batch)));
  WriteBatch back;
  back.unbegun.push_back({1, 1});
  EXPECT_FALSE(back.empty());
  ASSERT_TRUE(write(store(), std::move(back)));
  reopen();
  const auto recovery = store().recover().value();
  ASSERT_EQ(recovery.begun.size(), 2u);
  EXPECT_EQ(recovery.begun[0].job, (JobKey{1, 0}));
  EXPECT_EQ(recovery.begun[1].job, (JobKey{1, 2}));
  // And it may begin anew.
  WriteBatch again;
  again.begun.push_back({{1, 1}, 20});
  EXPECT_TRUE(write(store(), std::move(again)));
}

TEST_P(StoreContractTest, ClosedStoreRefusesAtOnce) {
  store().close();
  store().close();
  bool called = false;
  store().write(accept(make_task(1, 1)), [&](const Result<>& result, const WriteBatch& batch) {
    called = true;
    EXPECT_EQ(result.error().code, Errc::kClosed);
    EXPECT_EQ(batch.accepted.size(), 1u);
  });
  EXPECT_TRUE(called);
  EXPECT_EQ(read_task(store(), make_task(1, 1).id).error().code, Errc::kClosed);
  EXPECT_EQ(add_project(store(), "a").error().code, Errc::kClosed);
  EXPECT_EQ(store().recover().error().code, Errc::kClosed);
  EXPECT_EQ(store().identity_rows().error().code, Errc::kClosed);
  EXPECT_EQ(add_audit(store(), {make_entry("a")}).error().code, Errc::kClosed);
  EXPECT_EQ(read_audit(store()).error().code, Errc::kClosed);
}

TEST_P(StoreContractTest, CloseStoresWhatIsQueued) {
  const Task task = make_task(1, 1);
  bool stored = false;
  store().write(accept(task),
                [&](const Result<>& result, const WriteBatch&) { stored = result.has_value(); });
  store().close();
  EXPECT_TRUE(stored);
  reopen();
  EXPECT_TRUE(read_task(store(), task.id).value());
}

ON_EVERY_ENGINE(StoreContractTest);

}  // namespace
}  // namespace drover::store
