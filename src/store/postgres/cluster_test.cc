// Several nodes on one database: whose is what, who hears of what, and what an answer promises.
#include "store/cluster.h"

#include <atomic>

#include "store/postgres/testing/cluster_fixture.h"
#include "store/postgres/testing/held_commits.h"

namespace drover::store {
namespace {

using postgres::HeldCommits;
using postgres::Member;
using Call = Member::Call;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using ClusterTest = ClusterFixture;

TEST_F(ClusterTest, TheFirstNodeHasAllShardsAndIsAlone) {
  const Task before = task_for(3, {"a"});
  {
    const auto earlier = join("earlier");
    ASSERT_TRUE(write(earlier->store(), accept(before)));
  }
  const auto node = make("one");
  EXPECT_FALSE(node->cluster().alone());
  const auto joined = node->join();
  ASSERT_TRUE(joined) << joined.error().message;
  EXPECT_EQ(joined->shards, kShards);
  EXPECT_EQ(joined->newest_ms, before.created_ms);
  EXPECT_TRUE(node->shards().all());
  EXPECT_TRUE(node->cluster().alone());
  EXPECT_TRUE(node->cluster().trusted());
  EXPECT_THAT(node->log(), ElementsAre("adopt 3", "alone"));
}

TEST_F(ClusterTest, WhoJoinsWaitsUntilTheFirstKnowsThatItIsNotAlone) {
  one_ = join("one");
  one_->hold(Call::kAlone);
  one_->hold(Call::kClose);
  two_ = make("two");
  std::atomic<bool> joined = false;
  std::thread joining([&] {
    EXPECT_TRUE(two_->join());
    joined = true;
  });
  EXPECT_TRUE(eventually([&] { return one_->times("not alone") == 1; }));
  std::this_thread::sleep_for(Millis(300));
  EXPECT_FALSE(joined);
  one_->release(Call::kAlone);
  joining.join();
  EXPECT_FALSE(one_->cluster().alone());
  EXPECT_THAT(two_->log(), Contains("not alone"));
}

TEST_F(ClusterTest, ShardsGoOverWhenTheirOwnerHasClosedThem) {
  one_ = join("one");
  one_->hold(Call::kClose);
  two_ = join("two");
  ASSERT_TRUE(eventually([&] { return one_->owes(Call::kClose) == 1; }));
  const ShardSet wanted = one_->wanted();
  EXPECT_TRUE(wanted.any());
  std::this_thread::sleep_for(Millis(100));
  EXPECT_TRUE(two_->shards().none());
  one_->release(Call::kClose);
  ASSERT_TRUE(eventually([&] { return (two_->shards() & wanted) == wanted; }));
  // And so on, until each has half of them.
  ASSERT_TRUE(eventually([&] { return one_->shards().count() == 128 && two_->shards().count() == 128; }));
  EXPECT_TRUE((one_->shards() | two_->shards()).all());
}

TEST_F(ClusterTest, WhoHasLeftGivesAwayAllThatItCloses) {
  join_two();
  const auto three = join("three");
  one_->hold(Call::kClose);
  const ShardSet mine = one_->shards();
  one_->cluster().leave();
  one_->vanish();
  one_->cluster().shards_closed(mine);
  ASSERT_TRUE(eventually([&] { return (two_->shards() | three->shards()).all(); }));
  EXPECT_TRUE(one_->shards().none());
}

TEST_F(ClusterTest, APlannedEndGivesShardsBackAtOnce) {
  join_two();
  const auto start = std::chrono::steady_clock::now();
  one_->close();
  ASSERT_TRUE(eventually([&] { return two_->shards().all(); }));
  EXPECT_LT(std::chrono::steady_clock::now() - start, Seconds(3)) << "it did not wait for the lease's end";
  EXPECT_TRUE(eventually([&] { return two_->cluster().alone(); }));
  EXPECT_EQ(two_->times("alone"), 1);
}

TEST_F(ClusterTest, ATaskReachesTheOwnersOfItsShards) {
  join_two();
  const Task task = task_for(7, {phone_in(one_->shards()), phone_in(two_->shards())});
  ASSERT_TRUE(write(one_->store(), accept_for(task, two_->shards())));
  ASSERT_TRUE(eventually([&] { return !two_->adopted(7).tasks.empty(); }));
  EXPECT_EQ(two_->adopted(7).tasks[0].task, task);
  EXPECT_TRUE(two_->adopted(7).gained.none());
  EXPECT_THAT(one_->log(), testing::Not(Contains("adopt 7")));
  EXPECT_EQ(sql("SELECT count(*) FROM drover.inbox"), "0");
}

// By notices alone it would come too late: the other's commit is under way before it can ask.
TEST_F(ClusterTest, WhatOthersAcceptedBeforeComesBeforeWhatANodeAccepts) {
  join_two();
  for (std::int64_t seq = 1; seq < 20; seq += 2) {
    Member& first = seq % 4 == 1 ? *one_ : *two_;
    Member& second = seq % 4 == 1 ? *two_ : *one_;
    const std::string phone = phone_in(second.shards());
    HeldWriter held(second.store());
    ASSERT_TRUE(write(first.store(), accept_for(task_for(seq, {phone}), second.shards())));
    std::promise<void> answered;
    second.store().write(accept(task_for(seq + 1, {phone})), [&](const Result<>& stored, const WriteBatch&) {
      second.note(stored ? "accepted " + std::to_string(seq + 1) : "refused");
      answered.set_value();
    });
    held.release();
    answered.get_future().wait();
    const auto log = second.log();
    ASSERT_GE(log.size(), 2u);
    EXPECT_EQ(log[log.size() - 2], "adopt " + std::to_string(seq));
    EXPECT_EQ(log.back(), "accepted " + std::to_string(seq + 1));
  }
}

// The one at fault goes alone, and what came from others is not lost with it.
TEST_F(ClusterTest, ARefusedBatchDoesNotKeepWhatOthersSent) {
  join_two();
  const std::string phone = phone_in(two_->shards());
  ASSERT_TRUE(write(two_->store(), accept(task_for(1, {phone}))));
  std::optional<Result<>> again;
  std::promise<void> answered;
  {
    HeldWriter held(two_->store());
    ASSERT_TRUE(write(one_->store(), accept_for(task_for(2, {phone}), two_->shards())));
    two_->store().write(accept(task_for(1, {phone})),
                        [&](const Result<>& stored, const WriteBatch&) { again = stored; });
    two_->store().write(accept(task_for(3, {phone})), [&](const Result<>& stored, const WriteBatch&) {
      two_->note(stored ? "accepted 3" : "refused 3");
      answered.set_value();
    });
  }
  answered.get_future().wait();
  EXPECT_EQ(again->error().code, std::errc::invalid_argument);
  EXPECT_EQ(two_->log().back(), "accepted 3");
  EXPECT_EQ(two_->times("adopt 2"), 1);
}

// Shards of the second come to the third, of which the first knows nothing when it accepts.
TEST_F(ClusterTest, ATaskReachesTheNewOwnerAlsoByAnOldMap) {
  join_two();
  for (Member* member : {one_.get(), two_.get()}) member->hold(Call::kClose);
  const auto three = join("three");
  ASSERT_TRUE(eventually([&] { return two_->owes(Call::kClose) == 1; }));
  const ShardSet moved = two_->wanted();
  const Task task = task_for(7, {phone_in(moved)});
  ASSERT_TRUE(write(one_->store(), accept(task_for(6, {"a"}))));  // so that its day is there
  std::promise<Result<>> stored;
  {
    HeldWriter held(one_->store());
    two_->answer_owed(Call::kClose);
    ASSERT_TRUE(eventually([&] { return (three->shards() & moved) == moved; }));
    one_->store().write(accept_for(task, moved),
                        [&](const Result<>& result, const WriteBatch&) { stored.set_value(result); });
  }
  const Result<> result = stored.get_future().get();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(eventually([&] { return !three->adopted(7).tasks.empty(); }));
  EXPECT_EQ(two_->times("adopt 7"), 0);
}

// It is sent to the owner that there was, which gives the shard away before that is durable: the next owner
// has to find it.
TEST_F(ClusterTest, AShardThatGoesOverWhileATaskIsSentThereTakesItAlong) {
  join_two();
  for (Member* member : {one_.get(), two_.get()}) member->hold(Call::kClose);
  const auto three = join("three");
  ASSERT_TRUE(eventually([&] { return two_->owes(Call::kClose) == 1; }));
  const ShardSet moved = two_->wanted();
  const Task task = task_for(7, {phone_in(moved)});
  HeldCommits held(server_->conninfo(database_), "drover.inbox");
  std::promise<Result<>> stored;
  one_->store().write(accept_for(task, moved),
                      [&](const Result<>& result, const WriteBatch&) { stored.set_value(result); });
  EXPECT_TRUE(eventually([&] { return waits("1"); }));
  const std::string map = sql("SELECT map FROM drover.directory");
  two_->answer_owed(Call::kClose);
  // Its giver waits for the task, or has not waited.
  EXPECT_TRUE(eventually(
      [&] { return waits("(4923250423 & 4294967295)") || sql("SELECT map FROM drover.directory") != map; }));
  if (sql("SELECT map FROM drover.directory") != map) {
    EXPECT_TRUE(eventually([&] { return (three->shards() & moved) == moved; }));
  }
  held.release();
  const Result<> result = stored.get_future().get();
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_TRUE(eventually([&] { return (three->shards() & moved) == moved; }));
  EXPECT_FALSE(three->adopted(7).tasks.empty());
}

TEST_F(ClusterTest, ABuriedNodeStoresNothingAndOthersTakeUpWhatItHad) {
  join_two();
  const Task task = task_for(7, {phone_in(one_->shards()), "b", "c"});
  ASSERT_TRUE(write(one_->store(), accept(task)));
  WriteBatch batch;
  batch.begun = {{{7, 0}, 11}, {{7, 1}, 12}};
  batch.ended = {{{7, 1}, success("done\n"), task.id}};
  ASSERT_TRUE(write(one_->store(), batch));
  one_->vanish();
  bury("one");
  EXPECT_EQ(write(one_->store(), end_of(task, 0)).error().code, Errc::kFenced);
  EXPECT_TRUE(eventually([&] { return one_->times("fenced") == 1; }));
  ASSERT_TRUE(eventually([&] { return two_->shards().all(); }));
  const Adoption adoption = two_->adopted(7);
  ASSERT_EQ(adoption.tasks.size(), 1u);
  EXPECT_TRUE(adoption.gained.any());
  EXPECT_EQ(adoption.tasks[0].task, task);
  ASSERT_EQ(adoption.begun.size(), 1u);
  EXPECT_EQ(adoption.begun[0].job, (JobKey{7, 0}));
  EXPECT_EQ(adoption.begun[0].at_ms, 11);
  const auto& outcomes = adoption.tasks[0].outcomes;
  EXPECT_FALSE(outcomes[0]);
  ASSERT_TRUE(outcomes[1]);
  EXPECT_EQ(outcomes[1]->shown, "done\n");
  EXPECT_FALSE(outcomes[2]);
}

TEST_F(ClusterTest, NumbersRiseFromAnswerToAnswerOnAllNodes) {
  std::int64_t last = 0;
  const auto expect_larger = [&](Member& member, std::uint32_t count) {
    const auto numbers = draw(member, count);
    ASSERT_EQ(numbers.size(), count);
    for (const std::int64_t number : numbers) {
      EXPECT_GT(number, last);
      last = number;
    }
  };
  one_ = join("one");
  // It may have some in stock, or not yet, and more or fewer than are wanted.
  for (const std::uint32_t count : {3, 4'000, 500, 5'000, 1, 4'090, 10, 1}) expect_larger(*one_, count);
  two_ = join("two");
  for (std::uint32_t i = 0; i < 20; ++i) {
    expect_larger(*two_, 1 + i);
    expect_larger(*one_, 1 + i * 3);
  }
  two_->close();
  ASSERT_TRUE(eventually([&] { return one_->cluster().alone(); }));
  for (int i = 0; i < 5; ++i) expect_larger(*one_, 100);
  two_ = join("two");
  expect_larger(*two_, 1);
  expect_larger(*one_, 1);
}

TEST_F(ClusterTest, ATaskFinishesWithTheLastOfItsNodes) {
  join_two();
  const Task task = task_for(7, {phone_in(one_->shards()), phone_in(two_->shards())});
  ASSERT_TRUE(write(one_->store(), accept_for(task, two_->shards())));
  ASSERT_TRUE(write(one_->store(), end_of(task, 0)));
  EXPECT_FALSE(finished(*two_, task));
  ASSERT_TRUE(write(two_->store(), end_of(task, 1)));
  EXPECT_TRUE(finished(*one_, task));
  EXPECT_EQ(list_tasks(one_->store(), 1)->at(0).succeeded, 2u);
  EXPECT_EQ(sql("SELECT count(*) FROM drover.open_task"), "0");
}

TEST_F(ClusterTest, ATaskFinishesAlsoIfTwoNodesStoreTheirLastAtOnce) {
  join_two();
  const std::vector<std::string> targets{phone_in(one_->shards()), phone_in(two_->shards())};
  std::vector<Task> tasks;
  for (std::int64_t seq = 1; seq <= 60; ++seq) {
    tasks.push_back(task_for(seq, targets));
    ASSERT_TRUE(write(one_->store(), accept_for(tasks.back(), two_->shards())));
  }
  const auto end_all = [&](Member& member, std::uint32_t job, std::atomic<int>& turn) {
    for (int i = 0; i < static_cast<int>(tasks.size()); ++i) {
      ++turn;
      while (turn < 2 * (i + 1)) std::this_thread::yield();
      EXPECT_TRUE(write(member.store(), end_of(tasks[static_cast<std::size_t>(i)], job)));
    }
  };
  std::atomic<int> turn = 0;
  std::thread other([&] { end_all(*two_, 1, turn); });
  end_all(*one_, 0, turn);
  other.join();
  for (const Task& task : tasks) EXPECT_TRUE(finished(*one_, task)) << task.seq;
  EXPECT_EQ(sql("SELECT count(*) FROM drover.open_task"), "0");
}

TEST_F(ClusterTest, ACancellationIsAnsweredWhenItIsDoneEverywhere) {
  join_two();
  const Task task = task_for(7, {phone_in(one_->shards()), phone_in(two_->shards())});
  ASSERT_TRUE(write(one_->store(), accept_for(task, two_->shards())));
  std::chrono::steady_clock::duration waited{};
  for (Member* slow : {one_.get(), two_.get(), one_.get(), two_.get()}) {
    slow->hold(Call::kCancel);
    std::atomic<int> answered = 0;
    one_->cluster().cancel_task(7, [&](const Result<>& done) { answered = done ? 1 : -1; });
    ASSERT_TRUE(eventually([&] { return slow->owes(Call::kCancel) == 1; }));
    std::this_thread::sleep_for(Millis(150));
    EXPECT_EQ(answered, 0);
    const auto released = std::chrono::steady_clock::now();
    slow->release(Call::kCancel);
    ASSERT_TRUE(eventually([&] { return answered != 0; }));
    waited += std::chrono::steady_clock::now() - released;
    EXPECT_EQ(answered, 1);
  }
  EXPECT_LT(waited, Millis(1'000)) << "no answer waits for the next pulse";
  EXPECT_EQ(one_->times("cancel 7"), 4);
  EXPECT_EQ(two_->times("cancel 7"), 4);
  EXPECT_EQ(cancel(*one_, 8).error().code, Errc::kNotFound);
}

TEST_F(ClusterTest, ATaskComesBeforeItsCancellation) {
  join_two();
  for (std::int64_t seq = 1; seq <= 20; ++seq) {
    const Task task = task_for(seq, {phone_in(two_->shards())});
    {
      HeldWriter held(two_->store());
      ASSERT_TRUE(write(one_->store(), accept_for(task, two_->shards())));
      one_->cluster().cancel_task(seq, [](const Result<>&) {});
      ASSERT_TRUE(
          eventually([&] { return sql("SELECT count(*) > 0 FROM drover.inbox WHERE kind = 1") == "t"; }));
    }
    const std::string number = std::to_string(seq);
    ASSERT_TRUE(eventually([&] { return two_->times("cancel " + number) == 1; }));
    const auto log = two_->log();
    EXPECT_LT(std::ranges::find(log, "adopt " + number), std::ranges::find(log, "cancel " + number));
  }
}

// As one that was buried with its part of the cancellation undone.
TEST_F(ClusterTest, WhoTakesOverACancelledTaskHearsOfIt) {
  one_ = join("one");
  const Task task = task_for(7, {"a"});
  ASSERT_TRUE(write(one_->store(), accept(task)));
  ASSERT_TRUE(write(one_->store(), accept(task_for(8, {"a"}))));
  one_->hold(Call::kCancel);
  one_->cluster().cancel_task(7, [](const Result<>&) {});
  ASSERT_TRUE(eventually([&] { return one_->owes(Call::kCancel) == 1; }));
  two_ = join("two");
  one_->vanish();
  bury("one");
  ASSERT_TRUE(eventually([&] { return two_->shards().all(); }));
  EXPECT_THAT(two_->adopted(7).cancelled, ElementsAre(7));
  EXPECT_THAT(two_->adopted(8).cancelled, IsEmpty());
  EXPECT_EQ(two_->adopted(8).tasks.size(), 1u);
}

TEST_F(ClusterTest, WhoWatchesATaskIsToldOnceThatItHasFinished) {
  join_two();
  const Task task = task_for(7, {phone_in(two_->shards())});
  ASSERT_TRUE(write(one_->store(), accept_for(task, two_->shards())));
  one_->cluster().watch(7);
  std::this_thread::sleep_for(Millis(150));
  EXPECT_EQ(one_->times("finished 7"), 0);
  ASSERT_TRUE(write(two_->store(), end_of(task, 0)));
  ASSERT_TRUE(eventually([&] { return one_->times("finished 7") == 1; }));
  one_->cluster().watch(7);  // it has finished already
  ASSERT_TRUE(eventually([&] { return one_->times("finished 7") == 2; }));
  EXPECT_EQ(two_->times("finished 7"), 0);
}

// Also when its own node, or only another, has all jobs of it: nobody is told by the way then.
TEST_F(ClusterTest, WhoWatchesATaskIsToldSoon) {
  join_two();
  std::chrono::steady_clock::duration waited{};
  for (std::int64_t seq = 1; seq <= 6; ++seq) {
    const std::string phone = phone_in(one_->shards());
    const Task task = task_for(seq, {phone});
    const bool sent = seq % 2 == 0;  // by the other
    if (sent) {
      ASSERT_TRUE(write(two_->store(), accept_for(task, one_->shards())));
    } else {
      ASSERT_TRUE(write(one_->store(), accept(task)));
    }
    Member& watcher = sent ? *one_ : *two_;
    watcher.cluster().watch(seq);
    std::this_thread::sleep_for(Millis(300));
    const auto ended = std::chrono::steady_clock::now();
    ASSERT_TRUE(write(one_->store(), sent ? end_of(task, 0) : finish_of(task)));
    ASSERT_TRUE(eventually([&] { return watcher.times("finished " + std::to_string(seq)) == 1; }));
    waited += std::chrono::steady_clock::now() - ended;
  }
  EXPECT_LT(waited, Millis(2'000)) << "no answer waits for the next pulse";
}

TEST_F(ClusterTest, StatesOfPhonesAreReadByOthers) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"},
                                            {.project = 2, .id = "b", .address = "adb://b:1"}}));
  ASSERT_TRUE(put_states(*one_, {{1, 5, 2, "a reason", "a model"}, {2, 6, 1, "", ""}}));
  ASSERT_TRUE(put_states(*one_, {{1, 7, 3, "another", "a model"}}));
  const auto states = read_states(*two_, {1, 3});
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].instance, 1);
  EXPECT_EQ(states[0].since_ms, 7);
  EXPECT_EQ(states[0].state, 3);
  EXPECT_EQ(states[0].why, "another");
  EXPECT_EQ(states[0].model, "a model");
  EXPECT_EQ(read_states(*two_, {2, 1}).size(), 2u);
}

TEST_F(ClusterTest, ARemovedInstanceLeavesNoState) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"},
                                            {.project = 1, .id = "b", .address = "adb://b:1"}}));
  ASSERT_TRUE(put_states(*one_, {{1, 5, 2, "", ""}, {2, 5, 2, "", ""}}));
  ASSERT_TRUE(remove_instance(one_->store(), 1));
  EXPECT_THAT(read_states(*two_, {1}), IsEmpty());
  // Its owner may not have heard of that yet; others go on being told.
  ASSERT_TRUE(put_states(*two_, {{1, 6, 3, "", ""}, {2, 6, 3, "", ""}}));
  EXPECT_EQ(sql("SELECT string_agg(instance || ' ' || state, ',') FROM drover.phone_state"), "2 3");
}

TEST_F(ClusterTest, AStateThatIsBeingStoredGoesWithItsInstance) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"}}));
  HeldCommits held(server_->conninfo(database_), "drover.phone_state");
  std::promise<Result<>> stored;
  one_->cluster().put_phone_states({{1, 5, 2, "", ""}},
                                   [&](const Result<>& result) { stored.set_value(result); });
  EXPECT_TRUE(eventually([&] { return waits("1"); }));
  std::promise<Result<>> removed;
  two_->store().remove_instance(1, [&](const Result<>& result) { removed.set_value(result); });
  std::this_thread::sleep_for(Millis(200));
  held.release();
  EXPECT_TRUE(stored.get_future().get());
  EXPECT_TRUE(removed.get_future().get());
  EXPECT_EQ(sql("SELECT count(*) FROM drover.phone_state"), "0");
}

TEST_F(ClusterTest, ACancellationThatNotAllHaveAnsweredIsNotWaitedForWithoutEnd) {
  join_two();
  const Task task = task_for(7, {phone_in(two_->shards())});
  ASSERT_TRUE(write(one_->store(), accept_for(task, two_->shards())));
  two_->hold(Call::kCancel);
  EXPECT_EQ(cancel(*one_, 7).error().code, Errc::kUnknownFate);
  EXPECT_EQ(two_->times("cancel 7"), 1);
}

// Each time the other reads all open tasks.
TEST_F(ClusterTest, ShardsThatCloseOneAfterTheOtherAreGivenTogether) {
  one_ = join("one");
  one_->hold(Call::kClose);
  two_ = join("two");
  ASSERT_TRUE(eventually([&] { return one_->owes(Call::kClose) == 1; }));
  ShardSet some;
  for (std::size_t i = 0; i < kShards && some.count() < 5; ++i) {
    if (!one_->wanted()[i]) continue;
    some.set(i);
    one_->let_go(i);
    std::this_thread::sleep_for(Millis(10));
  }
  ASSERT_TRUE(eventually([&] { return two_->shards() == some; }));
  EXPECT_LE(two_->gains(), 3);
}

}  // namespace
}  // namespace drover::store
