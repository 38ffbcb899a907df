// Two nodes on one PostgreSQL database, and the same phones for both.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

#include "store/postgres/testing/nodes.h"
#include "store/postgres/testing/server.h"
#include "task/testing/cluster_node.h"
#include "task/testing/engine_fixture.h"
#include "task/testing/unruly_store.h"

namespace drover::task {
namespace {

using store::JobError;
using store::JobState;
using store::postgres::TestServer;

constexpr std::size_t kPhones = 16;

class EngineShardsTest : public testing::Test {
 protected:
  void SetUp() override {
    one_ = make("one", [this](std::unique_ptr<store::Store> real) {
      auto made = std::make_unique<UnrulyStore>(std::move(real), 1);
      ones_store_ = made.get();
      return made;
    });
    two_ = make("two", nullptr, twos_options_);
    one_->add(phones_, kPhones);
    ASSERT_TRUE(eventually([&] { return one_->shards() == 128 && two_->shards() == 128; }));
    ones_ = one_->mine();
    twos_ = two_->mine();
    ASSERT_EQ(ones_.size() + twos_.size(), kPhones);
    ASSERT_GE(std::min(ones_.size(), twos_.size()), 3u);
  }

  std::unique_ptr<ClusterNode> make(const std::string& name, const ClusterNode::WrapStore& wrap = nullptr,
                                    const EngineOptions& options = {}) {
    return std::make_unique<ClusterNode>(nodes_.make(TestServer::shared().conninfo(database_), name), wrap,
                                         options);
  }

  // The commands that contain `text`, as phones began them; of one phone only if it is named.
  std::vector<std::string> begun(const std::string& text, std::int64_t of = -1) {
    std::ifstream lines = phones_.journal();
    std::vector<std::string> commands;
    std::int64_t ms = 0, phone = 0, pid = 0;
    for (std::string line; lines >> ms >> phone >> pid && std::getline(lines, line);) {
      const std::size_t at = line.find(text);
      if (at != std::string::npos && (of < 0 || of == phone)) commands.push_back(line.substr(at));
    }
    return commands;
  }

  static std::map<JobState, int> states(const LiveTaskPtr& task) {
    std::map<JobState, int> counts;
    task->visit([&](std::size_t, const JobView& job) { ++counts[job.state]; });
    return counts;
  }

  const std::string database_ = TestServer::shared().create_database();
  Phones phones_{kPhones};
  store::postgres::Nodes nodes_;
  EngineOptions twos_options_;
  UnrulyStore* ones_store_ = nullptr;
  std::unique_ptr<ClusterNode> one_;
  std::unique_ptr<ClusterNode> two_;
  std::vector<std::string> ones_;
  std::vector<std::string> twos_;
};

TEST_F(EngineShardsTest, ATaskForAllPhonesRunsOnceOnEachWhoeverAcceptsIt) {
  for (ClusterNode* node : {one_.get(), two_.get()}) {
    const std::string command = node == one_.get() ? "echo by-one" : "echo by-two";
    const LiveTaskPtr task = node->accept_for_all(command);
    ASSERT_TRUE(task);
    ASSERT_TRUE(wait_for_end(task));
    EXPECT_EQ(task->counts().succeeded, kPhones);
    EXPECT_EQ(begun(command).size(), kPhones);
  }
}

TEST_F(EngineShardsTest, AfterAnAnswerComesTheNextOnWhicheverNode) {
  std::vector<std::string> wanted;
  LiveTaskPtr last;
  for (int i = 0; i < 40; ++i) {
    ClusterNode& node = i % 2 == 0 ? *one_ : *two_;
    wanted.push_back("in-order-" + std::to_string(i));
    last = node.accept("echo " + wanted.back(), {twos_[0]});
    ASSERT_TRUE(last);
  }
  ASSERT_TRUE(wait_for_end(last));
  EXPECT_EQ(begun("in-order"), wanted);
}

TEST_F(EngineShardsTest, ShardsThatGoOverTakeTheirJobsAlongInOrder) {
  std::atomic<bool> stop = false;
  std::vector<std::string> wanted;
  std::vector<LiveTaskPtr> tasks;
  std::thread accepting([&] {
    for (int i = 0; !stop; ++i) {
      ClusterNode& node = i % 2 == 0 ? *one_ : *two_;
      wanted.push_back("in-order-" + std::to_string(i) + "-");
      tasks.push_back(node.accept_for_all("echo " + wanted.back()));
      std::this_thread::sleep_for(Millis(2));
    }
  });
  const auto three = make("three");
  EXPECT_TRUE(eventually([&] { return three->shards() > 80; }));
  EXPECT_EQ(three->drain().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(eventually([&] { return one_->shards() + two_->shards() == store::kShards; }));
  stop = true;
  accepting.join();
  for (const LiveTaskPtr& task : tasks) {
    ASSERT_TRUE(wait_for_end(task));
    EXPECT_EQ(task->counts().succeeded, kPhones);
  }
  for (std::size_t phone = 0; phone < kPhones; ++phone)
    EXPECT_EQ(begun("in-order", static_cast<std::int64_t>(phone)), wanted) << "on phone " << phone;
}

TEST_F(EngineShardsTest, ATasksEndIsToldOnEveryNode) {
  const LiveTaskPtr task = one_->accept("sleep 0.3; echo done", {ones_[0], twos_[0]});
  const LiveTaskPtr whole = one_->accept("sleep 0.3; echo whole", {twos_[1]});
  for (const LiveTaskPtr& each : {task, whole}) {
    for (ClusterNode* node : {one_.get(), two_.get()}) {
      const LiveTaskPtr found = node->find(each);
      ASSERT_TRUE(found);
      ASSERT_TRUE(wait_for_end(found));
      for (const store::JobOutcome& outcome : outcomes(found)) EXPECT_EQ(outcome.state, JobState::kSucceeded);
    }
    ASSERT_TRUE(wait_for_end(each));
    EXPECT_EQ(each->counts().succeeded, each->counts().jobs);
  }
}

// The commit that says that a node's jobs of the task have all ended is stored, one before it that holds an
// outcome of them only later.
TEST_F(EngineShardsTest, AnOutcomeThatIsStoredLateEndsItsTask) {
  // Hears of its command when the others have ended theirs.
  const std::size_t slow = std::stoul(ones_[1].substr(1));
  phones_.fault(slow, slow, "slow:1200000");
  const LiveTaskPtr task = one_->accept("sleep 600; echo late", {ones_[0], ones_[1], twos_[0]});
  ASSERT_TRUE(task);
  ASSERT_TRUE(eventually([&] { return begun("echo late").size() == 2 && task->counts().running == 2; }));
  ones_store_->set_mood(UnrulyStore::Mood::kStuck);
  phones_.pass(Seconds(600));
  ASSERT_TRUE(eventually([&] { return ones_store_->waiting() == 1; }));
  phones_.clear();
  phones_.pass(Seconds(600));
  ASSERT_TRUE(eventually([&] { return begun("echo late").size() == 3; }));
  phones_.pass(Seconds(600));
  ASSERT_TRUE(eventually([&] { return ones_store_->waiting() == 2; }));
  ones_store_->fail_next();
  ones_store_->set_mood(UnrulyStore::Mood::kGood);
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(task->counts().succeeded, 3u);
}

TEST_F(EngineShardsTest, ATaskIsCancelledFromEitherNode) {
  for (ClusterNode* node : {one_.get(), two_.get()}) {
    const std::string tag = node == one_.get() ? " 601" : " 602";
    const std::vector<std::string> targets{ones_[0], ones_[1], twos_[0], twos_[1]};
    const LiveTaskPtr running = one_->accept("sleep" + tag, targets);
    const LiveTaskPtr waiting = one_->accept("echo never" + tag, targets);
    ASSERT_TRUE(eventually([&] { return begun("sleep" + tag).size() == 4; }));
    ASSERT_TRUE(node->cancel(waiting));
    const LiveTaskPtr seen = node->find(waiting);
    node->refresh(seen);
    EXPECT_EQ(states(seen), (std::map<JobState, int>{{JobState::kCancelled, 4}})) << "when it is answered";
    ASSERT_TRUE(node->cancel(running));
    for (const LiveTaskPtr& task : {running, waiting}) {
      ASSERT_TRUE(wait_for_end(task));
      EXPECT_EQ(task->counts().cancelled, 4u);
    }
    EXPECT_TRUE(begun("never" + tag).empty());
    EXPECT_TRUE(node->cancel(waiting)) << "it has finished, which is no failure";
  }
}

TEST_F(EngineShardsTest, HowOthersJobsStandIsReadWhenAsked) {
  const LiveTaskPtr task = one_->accept("sleep 600", {twos_[0], twos_[1]});
  ASSERT_TRUE(eventually([&] { return begun("sleep 600").size() == 2; }));
  EXPECT_EQ(task->counts().running, 0u);
  one_->refresh(task);
  EXPECT_EQ(task->counts().running, 2u);
  ASSERT_TRUE(one_->cancel(task));
  ASSERT_TRUE(eventually([&] {
    one_->refresh(task);
    return task->counts().cancelled == 2;
  }));
}

TEST_F(EngineShardsTest, WhoDrainsHandsOverWhatWaitsAndInterruptsNothing) {
  const std::vector<std::string> targets{ones_[0], ones_[1], ones_[2]};
  const LiveTaskPtr running = one_->accept("sleep 600; echo first", targets);
  const LiveTaskPtr waiting = two_->accept("echo second", targets);
  ASSERT_TRUE(running);
  ASSERT_TRUE(waiting);
  ASSERT_TRUE(eventually([&] { return begun("first").size() == 3; }));
  const std::future<void> drained = one_->drain();
  // Phones on which nothing runs are the other's meanwhile.
  ASSERT_TRUE(eventually([&] { return two_->mine().size() == kPhones - 3; }));
  const LiveTaskPtr others = two_->accept("echo others", {ones_.back(), twos_[0]});
  ASSERT_TRUE(wait_for_end(others));
  EXPECT_FALSE(running->finished());
  phones_.pass(Seconds(600));
  ASSERT_EQ(drained.wait_for(kPatience), std::future_status::ready);
  one_->stop();
  ASSERT_TRUE(wait_for_end(waiting));
  EXPECT_EQ(waiting->counts().succeeded, 3u);
  const LiveTaskPtr found = two_->find(running);
  ASSERT_TRUE(wait_for_end(found));
  EXPECT_EQ(found->counts().succeeded, 3u);
  EXPECT_EQ(begun("first").size(), 3u);
  EXPECT_EQ(begun("second").size(), 3u);
}

TEST_F(EngineShardsTest, WhatANodeThatVanishedHadBegunIsInterruptedAndTheRestRuns) {
  const std::vector<std::string> targets{ones_[0], twos_[0]};
  const LiveTaskPtr running = two_->accept("sleep 600; echo begun", targets);
  ASSERT_TRUE(eventually([&] { return begun("echo begun").size() == 2; }));
  const LiveTaskPtr waiting = one_->accept("echo waited", targets);
  one_->halt();
  TestServer::shared().execute(database_, "SELECT drover.bury(epoch) FROM drover.node WHERE name = 'one'");
  phones_.pass(Seconds(600));
  ASSERT_TRUE(wait_for_end(running));
  const auto ended = outcomes(running);
  EXPECT_EQ(ended[0].state, JobState::kLost);
  EXPECT_EQ(ended[0].error, JobError::kInterrupted);
  EXPECT_NE(ended[0].begun_ms, 0);
  EXPECT_EQ(ended[1].state, JobState::kSucceeded);
  const LiveTaskPtr found = two_->find(waiting);
  ASSERT_TRUE(wait_for_end(found));
  EXPECT_EQ(found->counts().succeeded, 2u);
  EXPECT_EQ(begun("echo begun").size(), 2u);
  EXPECT_EQ(begun("echo waited").size(), 2u);
}

class FullEngineShardsTest : public EngineShardsTest {
 protected:
  void SetUp() override {}

  // Accepts for the other node's phones until that is refused.
  Result<> fill() {
    for (int i = 0; i < 200; ++i) {
      const auto task = one_->try_accept("sleep 600", {twos_[0]});
      if (!task) return tl::make_unexpected(task.error());
      tasks_.push_back(*task);
      std::this_thread::sleep_for(Millis(50));
    }
    return {};
  }
  void check(Errc why) {
    const Result<> refused = fill();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, why);
    EXPECT_GE(tasks_.size(), 5u);
    EXPECT_EQ(one_->try_accept("echo both", {ones_[0], twos_[1]}).error().code, why);
    ASSERT_TRUE(wait_for_end(one_->accept("echo own", {ones_[0]}))) << "its own phones are not concerned";
    for (const LiveTaskPtr& task : tasks_) ASSERT_TRUE(one_->cancel(task));
    EXPECT_TRUE(eventually([&] { return one_->try_accept("echo again", {twos_[1]}).has_value(); }));
  }

  std::vector<LiveTaskPtr> tasks_;
};

TEST_F(FullEngineShardsTest, WhoseQueueIsFullGetsNoMoreFromOthers) {
  twos_options_.max_queued_jobs = 5;
  EngineShardsTest::SetUp();
  check(Errc::kQueueFull);
}

TEST_F(FullEngineShardsTest, WhereAProjectHasItsShareItGetsNoMore) {
  twos_options_.max_queued_jobs_per_project = 5;
  EngineShardsTest::SetUp();
  check(Errc::kProjectFull);
}

TEST_F(EngineShardsTest, APhoneThatIsMovedOnOneNodeIsMovedOnItsOwn) {
  Phones more(1);
  ClusterNode& other = ones_[0] == "p0" ? *two_ : *one_;
  other.add(more, 1);
  const LiveTaskPtr task = other.accept("echo moved", {"p0"});
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_EQ(task->counts().succeeded, 1u);
  EXPECT_EQ(more.begun("moved"), 1);
}

}  // namespace
}  // namespace drover::task
