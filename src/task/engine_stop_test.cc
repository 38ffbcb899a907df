// What the model in engine_model_test.cc came upon, what a planned stop owes to jobs that have not left, and
// what is owed to those who wait for a store that does not answer.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "task/testing/restartable_node.h"

namespace drover::task {
namespace {

using store::JobError;
using store::JobState;
using Mood = UnrulyStore::Mood;

constexpr auto kPatience = std::chrono::seconds(30);

class EngineStopTest : public testing::Test {
 protected:
  EngineStopTest() { start(); }

  void start() {
    node_.reset();
    node_ = std::make_unique<RestartableNode>(dir_ / "drover.db", clock_, 1, EngineOptions{});
  }

  void add_phone() {
    std::promise<bool> stored;
    node_->fleet().put({{.project = 1, .id = "p0", .address = phones_.address(0)}},
                       [&](const Result<>& result) { stored.set_value(result.has_value()); });
    ASSERT_TRUE(stored.get_future().get());
  }

  LiveTaskPtr accept(const std::string& command, std::uint32_t start_deadline_s = 600) {
    std::promise<LiveTaskPtr> accepted;
    node_->engine().accept({1, command, {"p0"}, start_deadline_s, 60},
                           [&](Result<LiveTaskPtr> result) { accepted.set_value(result.value_or(nullptr)); });
    return accepted.get_future().get();
  }

  LiveTaskPtr find(const LiveTaskPtr& task) {
    std::promise<LiveTaskPtr> found;
    node_->engine().find(1, task->task().id,
                         [&](Result<LiveTaskPtr> result) { found.set_value(result.value_or(nullptr)); });
    return found.get_future().get();
  }

  template <typename Condition>
  static bool eventually(Condition holds) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!holds() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(Millis(5));
    return holds();
  }

  bool online() {
    bool online = false;
    node_->on_loop([&] {
      const fleet::Phone* phone = node_->fleet().find(1, "p0");
      online = phone != nullptr && phone->state() == fleet::LinkState::kOnline;
    });
    return online;
  }

  // When the phone went offline; 0 while it is not.
  std::int64_t offline_since() {
    std::int64_t since = 0;
    node_->on_loop([&] {
      const fleet::Phone* phone = node_->fleet().find(1, "p0");
      if (phone->state() == fleet::LinkState::kOffline) since = phone->view().since_ms;
    });
    return since;
  }

  static JobState state(const LiveTaskPtr& task) {
    JobState state{};
    task->visit([&](std::size_t, const JobView& job) { state = job.state; });
    return state;
  }
  static store::JobOutcome outcome(const LiveTaskPtr& task) {
    store::JobOutcome outcome;
    task->visit([&](std::size_t, const JobView& job) { outcome = job.outcome ? *job.outcome : outcome; });
    return outcome;
  }

  TempDir dir_;
  Phones phones_{1};
  TurnedClock clock_;
  std::unique_ptr<RestartableNode> node_;
};

TEST_F(EngineStopTest, APhoneThatTakesNoCommandsEndsItsJobAtTheStartDeadline) {
  phones_.fault(0, 0, "refuse-open");
  add_phone();
  const LiveTaskPtr task = accept("echo never");
  ASSERT_TRUE(eventually([&] { return state(task) == JobState::kRunning && !online(); }));
  const std::int64_t refused = offline_since();
  node_->turn_clock(Millis(500'000));
  ASSERT_TRUE(eventually([&] { return offline_since() > refused; }));  // it was tried again
  EXPECT_FALSE(task->finished());
  node_->turn_clock(Millis(100'000));
  ASSERT_TRUE(eventually([&] { return task->finished(); }));
  EXPECT_EQ(outcome(task).error, JobError::kOffline);
  EXPECT_EQ(outcome(task).begun_ms, 0);
  EXPECT_EQ(task->counts().running, 0u);
  EXPECT_EQ(phones_.begun("echo never"), 0);
}

TEST_F(EngineStopTest, ACommandThatWasRefusedIsSentAgain) {
  phones_.fault(0, 0, "refuse-open");
  add_phone();
  const LiveTaskPtr task = accept("sleep 600");
  ASSERT_TRUE(eventually([&] { return state(task) == JobState::kRunning && !online(); }));
  phones_.clear();
  node_->turn_clock(Millis(2'000));
  ASSERT_TRUE(eventually([&] { return phones_.begun("sleep 600") == 1; }));
  EXPECT_EQ(task->counts().running, 1u);
  node_->engine().cancel(1, task->task().id, [](const Result<>&) {});
  ASSERT_TRUE(eventually([&] { return task->finished(); }));
  EXPECT_EQ(task->counts().running, 0u);
}

TEST_F(EngineStopTest, APlannedStopPutsBackWhatThePhoneHasNotTaken) {
  phones_.fault(0, 0, "refuse-open");
  add_phone();
  const LiveTaskPtr task = accept("echo later");
  ASSERT_TRUE(eventually([&] { return state(task) == JobState::kRunning && !online(); }));
  std::promise<void> drained;
  node_->engine().drain([&] { drained.set_value(); });
  ASSERT_EQ(drained.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(state(task), JobState::kQueued);
  node_->stop();

  phones_.clear();
  start();
  EXPECT_TRUE(node_->found().begun.empty());
  const LiveTaskPtr again = find(task);
  ASSERT_TRUE(again);
  ASSERT_TRUE(eventually([&] { return again->finished(); }));
  EXPECT_EQ(outcome(again).state, JobState::kSucceeded);
  EXPECT_EQ(phones_.begun("echo later"), 1);
}

TEST_F(EngineStopTest, APlannedStopPutsBackWhatIsAboutToBegin) {
  add_phone();
  ASSERT_TRUE(eventually([&] { return online(); }));
  const LiveTaskPtr first = accept("echo first");
  ASSERT_TRUE(eventually([&] { return first->finished(); }));
  std::promise<LiveTaskPtr> accepted;
  std::promise<void> drained;
  node_->store().set_mood(Mood::kStuck);
  node_->engine().accept({1, "echo second", {"p0"}},
                         [&](Result<LiveTaskPtr> result) { accepted.set_value(result.value_or(nullptr)); });
  node_->on_loop([] {});  // it is on its way to the store, and with it that it begins
  node_->engine().drain([&] { drained.set_value(); });
  node_->on_loop([] {});
  node_->store().set_mood(Mood::kGood);
  ASSERT_EQ(drained.get_future().wait_for(kPatience), std::future_status::ready);
  const LiveTaskPtr second = accepted.get_future().get();
  ASSERT_TRUE(second);
  EXPECT_EQ(state(second), JobState::kQueued);
  EXPECT_EQ(phones_.begun("echo second"), 0);
  node_->stop();
  start();
  const LiveTaskPtr again = find(second);
  ASSERT_TRUE(again);
  ASSERT_TRUE(eventually([&] { return again->finished(); }));
  EXPECT_EQ(outcome(again).state, JobState::kSucceeded);
}

TEST_F(EngineStopTest, ACancelledJobThatWasAboutToBeginHasEndedWhenTheAnswerComes) {
  add_phone();
  ASSERT_TRUE(eventually([&] { return online(); }));
  const LiveTaskPtr first = accept("sleep 600");
  const LiveTaskPtr second = accept("echo cancelled");
  ASSERT_TRUE(eventually([&] { return state(first) == JobState::kRunning; }));
  node_->store().set_mood(Mood::kStuck);
  // The first is killed: its end and the beginning of the second wait for the store.
  node_->engine().cancel(1, first->task().id, [](const Result<>&) {});
  ASSERT_TRUE(eventually([&] { return node_->store().waiting() == 2; }));
  std::promise<Counts> shown;
  node_->engine().cancel(1, second->task().id, [&](const Result<>& result) {
    shown.set_value(result ? second->counts() : Counts{});
  });
  node_->on_loop([] {});
  node_->store().set_mood(Mood::kGood);
  EXPECT_EQ(shown.get_future().get().cancelled, 1u);
  // The phone goes on with the next.
  const LiveTaskPtr third = accept("echo third");
  ASSERT_TRUE(eventually([&] { return third->finished(); }));
  EXPECT_EQ(outcome(third).state, JobState::kSucceeded);
  EXPECT_EQ(phones_.begun("echo cancelled"), 0);
}

TEST_F(EngineStopTest, ACancellationIsNotAnsweredBeforeWhatAnEarlierCommitFailedToStore) {
  phones_.fault(0, 0, "absent");
  add_phone();
  const LiveTaskPtr task = accept("echo never");
  const auto cancel = [&](std::promise<std::pair<bool, Counts>>& answered) {
    node_->engine().cancel(1, task->task().id, [&](const Result<>& result) {
      answered.set_value({result.has_value(), task->counts()});
    });
    node_->on_loop([] {});
    node_->on_loop([] {});  // it is on its way to the store
  };
  std::promise<std::pair<bool, Counts>> first;
  std::promise<std::pair<bool, Counts>> second;
  node_->store().set_mood(Mood::kStuck);
  cancel(first);
  cancel(second);
  ASSERT_EQ(node_->store().waiting(), 2u);
  node_->store().fail_next();
  node_->store().set_mood(Mood::kGood);
  EXPECT_FALSE(first.get_future().get().first);
  const auto [done, counts] = second.get_future().get();
  EXPECT_TRUE(done);
  EXPECT_EQ(counts.cancelled, 1u);
}

TEST_F(EngineStopTest, ACrashNeverShowsAJobAsWaitingThatWasShownToRun) {
  add_phone();
  const LiveTaskPtr task = accept("sleep 600");
  ASSERT_TRUE(eventually([&] { return state(task) == JobState::kRunning; }));
  node_->die(0);
  start();
  const LiveTaskPtr again = find(task);
  ASSERT_TRUE(again);
  EXPECT_NE(state(again), JobState::kQueued);
  ASSERT_TRUE(eventually([&] { return again->finished(); }));
  EXPECT_EQ(outcome(again).error, JobError::kInterrupted);
}

// As with a database whose connection broke before its answer: what was asked may be stored later.
TEST_F(EngineStopTest, NobodyWaitsForeverForAStoreThatDoesNotAnswer) {
  add_phone();
  const LiveTaskPtr runs = accept("sleep 600");
  ASSERT_TRUE(runs);
  ASSERT_TRUE(eventually([&] { return phones_.begun("sleep 600") == 1; }));
  node_->store().set_mood(Mood::kStuck);
  const auto accepted = std::make_shared<std::promise<Result<LiveTaskPtr>>>();
  node_->engine().accept({1, "echo later", {"p0"}},
                         [accepted](Result<LiveTaskPtr> result) { accepted->set_value(std::move(result)); });
  ASSERT_TRUE(eventually([&] { return node_->store().waiting() == 1; }));
  const auto cancelled = std::make_shared<std::promise<Result<>>>();
  node_->engine().cancel(1, runs->task().id,
                         [cancelled](Result<> result) { cancelled->set_value(std::move(result)); });
  ASSERT_TRUE(eventually([&] { return node_->store().waiting() >= 2; }));
  node_->turn_clock(EngineOptions().answer_patience);
  const auto expect_not_known = [](auto answered) {
    ASSERT_EQ(answered.wait_for(kPatience), std::future_status::ready);
    const auto answer = answered.get();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::kNotKnown);
  };
  expect_not_known(accepted->get_future());
  expect_not_known(cancelled->get_future());
  node_->store().set_mood(Mood::kGood);
  ASSERT_TRUE(eventually([&] { return runs->finished(); }));
  EXPECT_TRUE(eventually([&] { return phones_.begun("echo later") == 1; }));
  const LiveTaskPtr next = accept("echo next");
  ASSERT_TRUE(next);
  ASSERT_TRUE(eventually([&] { return next->finished(); }));
}

// In one commit it would take the database longer than anybody waits.
TEST_F(EngineStopTest, WhatEndedDuringAnOutageIsStoredInSeveralCommits) {
  constexpr std::size_t kPhones = 40;
  Phones phones(kPhones);
  std::vector<store::Instance> instances;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < kPhones; ++i) {
    ids.push_back("many" + std::to_string(i));
    instances.push_back({.project = 1, .id = ids.back(), .address = phones.address(i)});
  }
  std::promise<bool> put;
  node_->fleet().put(std::move(instances),
                     [&](const Result<>& result) { put.set_value(result.has_value()); });
  ASSERT_TRUE(put.get_future().get());
  std::promise<LiveTaskPtr> accepted;
  node_->engine().accept({1, "sleep 600; gen 1000000", ids, 600, 60},
                         [&](Result<LiveTaskPtr> result) { accepted.set_value(result.value_or(nullptr)); });
  const LiveTaskPtr task = accepted.get_future().get();
  ASSERT_TRUE(task);
  ASSERT_TRUE(eventually([&] { return phones.begun("gen") == int{kPhones}; }));
  node_->store().set_mood(Mood::kFailing);
  phones.pass(Seconds(600));
  ASSERT_TRUE(eventually([&] { return node_->store().largest() > std::size_t{15} << 20; }));
  EXPECT_EQ(task->counts().running, kPhones);
  node_->store().set_mood(Mood::kGood);
  ASSERT_TRUE(eventually([&] { return task->finished(); }));
  EXPECT_EQ(task->counts().succeeded, kPhones);
  EXPECT_LE(node_->store().largest(), std::size_t{16} << 20);
}

}  // namespace
}  // namespace drover::task
