// The engine with everything real around it: a SQLite file, links over TCP, simulated phones.
#include "task/engine.h"

#include <gtest/gtest.h>

#include <future>
#include <map>

#include "task/testing/engine_fixture.h"

namespace drover::task {
namespace {

using store::JobError;
using store::JobState;

TEST_F(EngineTest, RunsACommandOnEveryPhoneAndKeepsEachAnswer) {
  Phones phones(20);
  Node node(database());
  node.add(phones, 20);
  std::vector<std::string> targets;
  for (int i = 0; i < 20; ++i) targets.push_back("p" + std::to_string(i));
  const LiveTaskPtr task = node.accept("echo hello; exit 3", targets);
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(task->counts().failed, 20u);
  for (const auto& outcome : outcomes(task)) {
    EXPECT_EQ(outcome.error, JobError::kExit);
    EXPECT_EQ(outcome.exit_code, 3);
    EXPECT_EQ(outcome.shown, "hello\n");
    EXPECT_EQ(outcome.message, "exit code 3");
  }
  EXPECT_EQ(phones.begun("echo hello"), 20);
}

TEST_F(EngineTest, UnknownInstancesFailAndRepeatedOnesRunTwiceInOrder) {
  Phones phones(1);
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr task = node.accept("echo x", {"p0", "nobody", "p0"});
  ASSERT_TRUE(wait_for_end(task));
  const auto all = outcomes(task);
  EXPECT_EQ(all[0].state, JobState::kSucceeded);
  EXPECT_EQ(all[1].error, JobError::kPhoneNotFound);
  EXPECT_EQ(all[2].state, JobState::kSucceeded);
  EXPECT_LE(all[0].ended_ms, all[2].begun_ms);
  EXPECT_EQ(phones.begun("echo x"), 2);
}

TEST_F(EngineTest, OnlyUnknownInstancesEndAtOnce) {
  Node node(database());
  const LiveTaskPtr task = node.accept("echo x", {"a", "b"});
  EXPECT_TRUE(task->finished());
  EXPECT_EQ(task->counts().failed, 2u);
}

TEST_F(EngineTest, JobsOfOnePhoneRunOneAtATimeInOrder) {
  Phones phones(1);
  Node node(database());
  node.add(phones, 1);
  std::vector<LiveTaskPtr> tasks;
  for (int i = 0; i < 30; ++i) tasks.push_back(node.accept("echo " + std::to_string(i), {"p0"}));
  std::int64_t last_end = 0;
  for (const LiveTaskPtr& task : tasks) {
    ASSERT_TRUE(wait_for_end(task));
    const auto outcome = outcomes(task).front();
    EXPECT_GE(outcome.begun_ms, last_end);
    last_end = outcome.ended_ms;
  }
}

TEST_F(EngineTest, AHangingCommandIsKilledOnThePhoneAfterItsRunTimeout) {
  Phones phones(1);
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr task = node.accept("echo before; sleep 600", {"p0"}, 1);
  const LiveTaskPtr next = node.accept("echo after", {"p0"});
  ASSERT_TRUE(wait_for_end(task));
  const auto outcome = outcomes(task).front();
  EXPECT_EQ(outcome.error, JobError::kTimeout);
  EXPECT_EQ(outcome.shown, "before\n");
  EXPECT_LT(outcome.ended_ms - outcome.begun_ms, 8'000);
  ASSERT_TRUE(wait_for_end(next));
  EXPECT_EQ(outcomes(next).front().state, JobState::kSucceeded);
}

TEST_F(EngineTest, AnUnreachablePhoneIsOfflineAtTheStartDeadline) {
  Phones phones(1);
  phones.fault(0, 0, "absent");
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr task = node.accept("echo x", {"p0"}, 60, 1);
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(outcomes(task).front().error, JobError::kOffline);
  EXPECT_EQ(outcomes(task).front().begun_ms, 0);
  EXPECT_EQ(phones.begun("echo x"), 0);
}

TEST_F(EngineTest, ABusyPhoneExpiresWhatWaitsTooLong) {
  Phones phones(1);
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr first = node.accept("sleep 600", {"p0"});
  ASSERT_TRUE(eventually([&] { return phones.begun("sleep 600") == 1; }));
  const LiveTaskPtr second = node.accept("echo late", {"p0"}, 60, 1);
  ASSERT_TRUE(wait_for_end(second));
  EXPECT_EQ(outcomes(second).front().error, JobError::kExpired);
  phones.pass(Seconds(600));
  ASSERT_TRUE(wait_for_end(first));
  EXPECT_EQ(outcomes(first).front().state, JobState::kSucceeded);
  EXPECT_EQ(phones.begun("echo late"), 0);
}

TEST_F(EngineTest, APhoneThatRefusesTheKeySaysSo) {
  Phones phones(1);
  phones.fault(0, 0, "refuse-key");
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr task = node.accept("echo x", {"p0"});
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(outcomes(task).front().error, JobError::kUnauthorized);
}

TEST_F(EngineTest, ALinkThatBreaksMidCommandLosesTheJobAndNeverRepeatsIt) {
  Phones phones(1);
  phones.fault(0, 0, "drop:3");
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr task = node.accept("echo twice-never", {"p0"});
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(outcomes(task).front().state, JobState::kLost);
  EXPECT_EQ(outcomes(task).front().error, JobError::kDisconnected);
  phones.clear();
  const LiveTaskPtr next = node.accept("echo again", {"p0"});
  ASSERT_TRUE(wait_for_end(next));
  EXPECT_EQ(outcomes(next).front().state, JobState::kSucceeded);
  EXPECT_EQ(phones.begun("twice-never"), 1);
}

TEST_F(EngineTest, AStreamWithoutExitCodeIsLostNotFailed) {
  Phones phones(1);
  phones.fault(0, 0, "no-exit");
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr task = node.accept("echo x", {"p0"});
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(outcomes(task).front().state, JobState::kLost);
  EXPECT_EQ(outcomes(task).front().exit_code, -1);
}

TEST_F(EngineTest, LegacyPhonesGiveExitCodesToo) {
  Phones phones(1);
  phones.fault(0, 0, "legacy");
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr task = node.accept("echo old; exit 7", {"p0"});
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(outcomes(task).front().exit_code, 7);
  EXPECT_EQ(outcomes(task).front().shown, "old\n");
}

TEST_F(EngineTest, EndlessOutputIsKeptToTheLimitAndTheRestCounted) {
  Phones phones(1);
  EngineOptions options;
  options.max_output = 64 * 1024;
  Node node(database(), options);
  node.add(phones, 1);
  const LiveTaskPtr task = node.accept("yes", {"p0"}, 1);
  ASSERT_TRUE(wait_for_end(task));
  const auto outcome = outcomes(task).front();
  EXPECT_EQ(outcome.error, JobError::kTimeout);
  EXPECT_EQ(outcome.shown.size(), 1024u);
  EXPECT_GT(outcome.output_bytes, 64u * 1024);
}

TEST_F(EngineTest, CancelEndsWhatWaitsAndWhatRuns) {
  Phones phones(2);
  Node node(database());
  node.add(phones, 2);
  const LiveTaskPtr task = node.accept("sleep 600", {"p0", "p0", "p1"});
  ASSERT_TRUE(eventually([&] { return task->counts().running == 2; }));
  std::promise<Result<>> cancelled;
  node.engine().cancel(kProject, task->task().id, [&](Result<> result) { cancelled.set_value(result); });
  EXPECT_TRUE(cancelled.get_future().get());
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(task->counts().cancelled, 3u);
  EXPECT_EQ(phones.begun("sleep 600"), 2);
}

TEST_F(EngineTest, AnotherProjectsTaskIsNotFound) {
  Node node(database());
  const LiveTaskPtr task = node.accept("echo x", {"a"});
  const auto find = [&](std::int64_t project, const Id& id) {
    std::promise<Result<LiveTaskPtr>> found;
    node.engine().find(project, id, [&](Result<LiveTaskPtr> result) { found.set_value(std::move(result)); });
    return found.get_future().get();
  };
  EXPECT_TRUE(find(kProject, task->task().id));
  EXPECT_EQ(find(2, task->task().id).error().code, Errc::kNotFound);
  EXPECT_EQ(find(kProject, Id{}).error().code, Errc::kNotFound);
  EXPECT_EQ(node.engine().find_in_memory(2, task->task().id), nullptr);
}

TEST_F(EngineTest, ARestartEndsBegunJobsAsInterruptedAndGoesOnWithTheOthers) {
  Phones phones(1);
  Id first;
  Id second;
  Id done;
  {
    Node node(database());
    node.add(phones, 1);
    const LiveTaskPtr ended = node.accept("echo done", {"p0"});
    ASSERT_TRUE(wait_for_end(ended));
    done = ended->task().id;
    const LiveTaskPtr running = node.accept("sleep 60", {"p0"});
    first = running->task().id;
    second = node.accept("echo waited", {"p0"})->task().id;
    ASSERT_TRUE(eventually([&] { return running->counts().running == 1 && phones.begun("sleep 60") == 1; }));
  }
  Node node(database());
  const auto find = [&](const Id& id) {
    std::promise<LiveTaskPtr> found;
    node.engine().find(kProject, id,
                       [&](Result<LiveTaskPtr> result) { found.set_value(result ? *result : nullptr); });
    return found.get_future().get();
  };
  const LiveTaskPtr interrupted = find(first);
  ASSERT_TRUE(interrupted);
  ASSERT_TRUE(wait_for_end(interrupted));
  EXPECT_EQ(outcomes(interrupted).front().state, JobState::kLost);
  EXPECT_EQ(outcomes(interrupted).front().error, JobError::kInterrupted);
  const LiveTaskPtr waited = find(second);
  ASSERT_TRUE(waited);
  ASSERT_TRUE(wait_for_end(waited));
  EXPECT_EQ(outcomes(waited).front().state, JobState::kSucceeded);
  const LiveTaskPtr old = find(done);
  ASSERT_TRUE(old);
  EXPECT_EQ(outcomes(old).front().shown, "done\n");
  EXPECT_EQ(phones.begun("sleep 60"), 1);
  EXPECT_EQ(phones.begun("echo waited"), 1);
}

TEST_F(EngineTest, DrainLetsRunningJobsEndAndBeginsNoMore) {
  Phones phones(1);
  Id waiting;
  {
    Node node(database());
    node.add(phones, 1);
    const LiveTaskPtr running = node.accept("sleep 600; echo end", {"p0"});
    const LiveTaskPtr behind = node.accept("echo later", {"p0"});
    ASSERT_TRUE(behind);
    waiting = behind->task().id;
    ASSERT_TRUE(eventually([&] { return phones.begun("echo end") == 1; }));
    const auto drained = std::make_shared<std::promise<void>>();
    node.engine().drain([drained] { drained->set_value(); });
    node.on_loop([] {});  // it drains
    phones.pass(Seconds(600));
    ASSERT_EQ(drained->get_future().wait_for(kPatience), std::future_status::ready);
    EXPECT_TRUE(running->finished());
    EXPECT_EQ(outcomes(running).front().state, JobState::kSucceeded);
    EXPECT_EQ(phones.begun("echo later"), 0);
    std::promise<Result<LiveTaskPtr>> refused;
    node.engine().accept({kProject, "echo no", {"p0"}},
                         [&](Result<LiveTaskPtr> result) { refused.set_value(std::move(result)); });
    EXPECT_EQ(refused.get_future().get().error().code, Errc::kDraining);
  }
  Node node(database());
  const LiveTaskPtr later = node.engine().find_in_memory(kProject, waiting);
  ASSERT_TRUE(later);
  ASSERT_TRUE(wait_for_end(later));
  EXPECT_EQ(outcomes(later).front().state, JobState::kSucceeded);
}

TEST_F(EngineTest, TheQueueIsBounded) {
  Phones phones(1);
  phones.fault(0, 0, "absent");
  EngineOptions options;
  options.max_queued_jobs = 3;
  Node node(database(), options);
  node.add(phones, 1);
  ASSERT_TRUE(node.accept("echo x", {"p0", "p0", "p0"}));
  std::promise<Result<LiveTaskPtr>> refused;
  node.engine().accept({kProject, "echo x", {"p0"}},
                       [&](Result<LiveTaskPtr> result) { refused.set_value(std::move(result)); });
  EXPECT_EQ(refused.get_future().get().error().code, Errc::kQueueFull);
}

TEST_F(EngineTest, RemovingAPhoneEndsItsJobsAndMovingItKeepsThem) {
  Phones phones(2);
  phones.fault(0, 0, "absent");
  Node node(database());
  node.add(phones, 1);
  const LiveTaskPtr moved = node.accept("echo moved", {"p0"});
  std::promise<Result<>> stored;
  node.fleet().put({{.project = kProject, .id = "p0", .address = phones.address(1)}},
                   [&](Result<> result) { stored.set_value(result); });
  ASSERT_TRUE(stored.get_future().get());
  ASSERT_TRUE(wait_for_end(moved));
  EXPECT_EQ(outcomes(moved).front().state, JobState::kSucceeded);

  const LiveTaskPtr running = node.accept("sleep 600", {"p0", "p0"});
  ASSERT_TRUE(eventually([&] { return running->counts().running == 1; }));
  std::promise<Result<>> removed;
  node.fleet().remove(kProject, "p0", [&](Result<> result) { removed.set_value(result); });
  ASSERT_TRUE(removed.get_future().get());
  ASSERT_TRUE(wait_for_end(running));
  EXPECT_EQ(outcomes(running)[0].state, JobState::kLost);
  EXPECT_EQ(outcomes(running)[1].error, JobError::kPhoneNotFound);
}

TEST_F(EngineTest, ATaskForAllTakesEveryPhoneOfTheProject) {
  Phones phones(300);
  Node node(database());
  node.add(phones, 300);
  std::promise<Result<LiveTaskPtr>> accepted;
  node.engine().accept_for_all({kProject, "getprop ro.serialno", {}},
                               [&](Result<LiveTaskPtr> result) { accepted.set_value(std::move(result)); });
  const LiveTaskPtr task = accepted.get_future().get().value();
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(task->counts().succeeded, 300u);
  std::map<std::string, int> serials;
  for (const auto& outcome : outcomes(task)) ++serials[outcome.shown];
  EXPECT_EQ(serials.size(), 300u);
}

constexpr Millis kYear{365LL * 24 * 3'600'000};

TEST_F(EngineTest, AWallClockThatJumpsChangesNoDeadline) {
  Phones phones(2);
  phones.fault(1, 1, "absent");
  Node node(database());
  node.add(phones, 2);
  const auto begin = std::chrono::steady_clock::now();
  const LiveTaskPtr running = node.accept("sleep 600; echo done", {"p0"}, 60);
  const LiveTaskPtr waiting = node.accept("echo never", {"p1"}, 60, 2);
  ASSERT_TRUE(eventually([&] { return phones.begun("echo done") == 1; }));
  node.clock().move(kYear);
  const LiveTaskPtr ahead = node.accept("echo x", {"p0"}, 60, 600);
  node.clock().move(-kYear);
  const LiveTaskPtr back = node.accept("echo x", {"p0"}, 60, 600);
  EXPECT_LT(back->task().created_ms, ahead->task().created_ms);
  EXPECT_LT(ahead->task().id, back->task().id);
  phones.pass(Seconds(600));
  ASSERT_TRUE(wait_for_end(waiting));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, Seconds(2));
  EXPECT_EQ(outcomes(waiting).front().error, JobError::kOffline);
  for (const LiveTaskPtr& task : {running, ahead, back}) {
    ASSERT_TRUE(wait_for_end(task));
    EXPECT_EQ(outcomes(task).front().state, JobState::kSucceeded);
  }
  // It began a year after it ended, for who looks at the clock only.
  EXPECT_EQ(outcomes(running).front().ended_ms, outcomes(running).front().begun_ms);
}

TEST_F(EngineTest, AfterARestartTheWallClockTellsWhatIsLeftOfADeadline) {
  Phones phones(1);
  phones.fault(0, 0, "absent");
  Id task;
  {
    Node node(database());
    node.add(phones, 1);
    task = node.accept("echo x", {"p0"}, 60, 600)->task().id;
  }
  {
    Node node(database(), {}, -kYear);  // set back: no longer than it was, and not over
    const LiveTaskPtr found = node.engine().find_in_memory(kProject, task);
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->finished());
  }
  Node node(database(), {}, Seconds(601));
  const LiveTaskPtr found = node.engine().find_in_memory(kProject, task);
  ASSERT_TRUE(found);
  ASSERT_TRUE(wait_for_end(found));
  EXPECT_EQ(outcomes(found).front().error, JobError::kOffline);
}

}  // namespace
}  // namespace drover::task
