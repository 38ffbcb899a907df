// Several nodes on one database: whose is what, who hears of what, and what an answer promises.
#include "store/cluster.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <atomic>
#include <thread>

#include "store/postgres/testing/held_commits.h"
#include "store/postgres/testing/member.h"
#include "store/postgres/testing/nodes.h"
#include "store/postgres/testing/server.h"
#include "store/testing/store_calls.h"

namespace drover::store {
namespace {

using postgres::HeldCommits;
using postgres::Member;
using postgres::TestServer;
using Call = Member::Call;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

// A session of somebody's that keeps what it locks until it ends, or is ended by the server.
class Session {
 public:
  Session(TestServer& server, const std::string& database, const std::string& sql)
      : connection_(PQconnectdb(server.conninfo(database).c_str()), PQfinish) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection_.get(), ("BEGIN; " + sql).c_str()), PQclear);
    EXPECT_LE(PQresultStatus(result.get()), PGRES_TUPLES_OK) << PQerrorMessage(connection_.get());
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

class ClusterTest : public testing::Test {
 protected:
  void use(TestServer& server) {
    server_ = &server;
    database_ = server.create_database();
  }
  void SetUp() override { use(TestServer::shared()); }

  std::unique_ptr<Member> make(const std::string& name) {
    return std::make_unique<Member>(nodes_.make(server_->conninfo(database_), name), owners_);
  }
  std::unique_ptr<Member> join(const std::string& name) {
    auto member = make(name);
    const auto joined = member->join();
    EXPECT_TRUE(joined) << joined.error().message;
    return member;
  }
  // Two that have as many shards each, and nothing under way.
  void join_two() {
    one_ = join("one");
    two_ = join("two");
    ASSERT_TRUE(eventually([&] { return one_->shards().count() == 128 && two_->shards().count() == 128; }));
    EXPECT_EQ(two_->times("wanted"), 0) << "none was given in vain";
  }

  std::string sql(const std::string& text) { return server_->execute(database_, text); }
  void bury(const std::string& name) {
    sql("SELECT drover.bury(epoch) FROM drover.node WHERE name = '" + name + "'");
  }

  std::string epoch_of(const std::string& name) {
    return sql("SELECT epoch FROM drover.node WHERE name = '" + name + "'");
  }
  // As what keeps a node from renewing it.
  std::string lock_lease(const std::string& name) {
    return "SELECT 1 FROM drover.lease WHERE epoch = " + epoch_of(name) + " FOR UPDATE";
  }

  // Until `done` holds, or for half a minute.
  template <typename Done>
  static bool eventually(Done done) {
    for (int i = 0; i < 6'000; ++i) {
      if (done()) return true;
      std::this_thread::sleep_for(Millis(5));
    }
    return false;
  }

  static std::string phone_in(const ShardSet& shards) {
    for (int i = 0;; ++i) {
      std::string id = "phone-" + std::to_string(i);
      if (shards[shard_of(1, id)]) return id;
    }
  }
  static Task task_for(std::int64_t seq, std::vector<std::string> targets) {
    Task task = make_task(seq, 0);
    task.targets = std::move(targets);
    return task;
  }
  // As one whose own shards are not among `others` accepts it.
  static WriteBatch accept_for(const Task& task, const ShardSet& others) {
    WriteBatch batch = accept(task);
    ShardSet elsewhere;
    for (const std::string& target : task.targets) elsewhere.set(shard_of(1, target));
    batch.elsewhere.push_back({task.seq, elsewhere & others});
    return batch;
  }
  // This job has ended, and with it all that its node has of the task.
  static WriteBatch end_of(const Task& task, std::uint32_t job) {
    WriteBatch batch;
    batch.ended.push_back({{task.seq, job}, success(), task.id});
    batch.parted.push_back({task.seq, task.created_ms + 9, task.id});
    return batch;
  }
  // Likewise, and no other node has any of it.
  static WriteBatch finish_of(const Task& task) {
    WriteBatch batch;
    batch.ended.push_back({{task.seq, 0}, success(), task.id});
    batch.finished.push_back({task.seq, task.created_ms + 9, task.id});
    return batch;
  }
  static std::vector<std::int64_t> draw(Member& member, std::uint32_t count) {
    auto drawn = wait_for<Result<std::vector<std::int64_t>>>(
        [&](auto done) { member.cluster().number_tasks(count, done); });
    EXPECT_TRUE(drawn) << drawn.error().message;
    return drawn ? *drawn : std::vector<std::int64_t>();
  }
  static Result<> cancel(Member& member, std::int64_t task) {
    return wait_for<Result<>>([&](auto done) { member.cluster().cancel_task(task, done); });
  }
  static Result<> put_states(Member& member, std::vector<PhoneState> states) {
    return wait_for<Result<>>([&](auto done) { member.cluster().put_phone_states(std::move(states), done); });
  }
  static std::vector<PhoneState> read_states(Member& member, std::vector<std::int64_t> instances) {
    const auto states = wait_for<Result<std::vector<PhoneState>>>(
        [&](auto done) { member.cluster().read_phone_states(std::move(instances), done); });
    EXPECT_TRUE(states) << states.error().message;
    return states ? *states : std::vector<PhoneState>();
  }
  // Somebody waits for this advisory lock.
  bool waits(const std::string& lock) {
    return sql("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = " +
               lock) == "t";
  }
  static double skew_in(const prometheus::Registry& registry) {
    for (const auto& family : registry.Collect())
      if (family.name == "drover_clock_skew_seconds") return family.metric.at(0).gauge.value;
    return 0;
  }
  static bool finished(Member& member, const Task& task) {
    const auto record = read_task(member.store(), task.id);
    return record && *record && (*record)->task.finished_ms != 0;
  }

  postgres::Nodes nodes_;
  postgres::Owners owners_;
  TestServer* server_ = nullptr;
  std::string database_;
  std::unique_ptr<Member> one_;
  std::unique_ptr<Member> two_;
};

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
  ASSERT_TRUE(eventually([&] { return waits("1"); }));
  const std::string map = sql("SELECT map FROM drover.directory");
  two_->answer_owed(Call::kClose);
  // Its giver waits for the task, or has not waited.
  ASSERT_TRUE(eventually(
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

TEST_F(ClusterTest, AChangeIsAnsweredWhenAllGoByIt) {
  join_two();
  ASSERT_TRUE(add_project(one_->store(), "settled"));
  using Done = std::function<void(bool)>;
  using Change = std::function<void(Store&, Done)>;
  const auto said = [](Done done) {
    return [done = std::move(done)](const auto& result) { done(result.has_value()); };
  };
  const std::pair<Change, std::function<bool(const Member::Directory&)>> changes[] = {
      {[&](Store& store, Done done) { store.add_project({.id = hex_id("p"), .name = "p"}, said(done)); },
       [](const Member::Directory& rows) { return rows.identity.projects.size() == 2; }},
      {[&](Store& store, Done done) { store.change_identity(change::AddToken{make_token("t")}, said(done)); },
       [](const Member::Directory& rows) { return rows.identity.tokens.size() == 1; }},
      {[&](Store& store, Done done) {
         store.put_instances({{.project = 1, .id = "a", .address = "adb://a:1"}}, said(done));
       },
       [](const Member::Directory& rows) { return rows.instances.size() == 1; }},
      {[&](Store& store, Done done) { store.remove_instance(1, said(done)); },
       [](const Member::Directory& rows) { return rows.instances.empty(); }},
  };
  std::chrono::steady_clock::duration waited{};
  for (const auto& [change, shows] : changes) {
    two_->hold(Call::kDirectory);
    std::atomic<int> answered = 0;
    change(one_->store(), [&](bool done) { answered = done ? 1 : -1; });
    ASSERT_TRUE(eventually([&] { return two_->owes(Call::kDirectory) == 1; }));
    EXPECT_TRUE(shows(two_->directory()));
    std::this_thread::sleep_for(Millis(150));
    EXPECT_EQ(answered, 0);
    const auto released = std::chrono::steady_clock::now();
    two_->release(Call::kDirectory);
    ASSERT_TRUE(eventually([&] { return answered != 0; }));
    waited += std::chrono::steady_clock::now() - released;
    EXPECT_EQ(answered, 1);
  }
  EXPECT_LT(waited, Millis(1'000)) << "no answer waits for the next pulse, which comes once a second";
}

TEST_F(ClusterTest, OnlyWhatHasChangedIsRead) {
  join_two();
  const Instance a{.project = 1, .id = "a", .address = "adb://a:1"};
  const Instance b{.project = 1, .id = "b", .address = "adb://b:1"};
  const auto read_by_two = [&](const auto& change) {
    const std::size_t before = two_->log().size();
    change();
    const auto log = two_->log();
    return std::vector<std::string>(log.begin() + static_cast<std::ptrdiff_t>(before), log.end());
  };
  EXPECT_THAT(read_by_two([&] {
                ASSERT_TRUE(put_instances(one_->store(), {a, b}));
              }),
              ElementsAre("read +a +b"));
  EXPECT_THAT(read_by_two([&] { ASSERT_TRUE(put_instances(one_->store(), {b})); }), ElementsAre("read +b"));
  EXPECT_THAT(read_by_two([&] { ASSERT_TRUE(add_project(one_->store(), "p")); }),
              ElementsAre("read identities"));
  EXPECT_THAT(read_by_two([&] { ASSERT_TRUE(remove_instance(one_->store(), 1)); }), ElementsAre("read -a"));
  // What it has not been told of by the end of a change it is told of at once.
  two_->hold(Call::kDirectory);
  std::atomic<int> answered = 0;
  const auto count = [&](const auto& result) { answered += result ? 1 : 100; };
  one_->store().put_instances({a}, count);
  ASSERT_TRUE(eventually([&] { return two_->owes(Call::kDirectory) == 1; }));
  one_->store().remove_instance(2, count);
  one_->store().put_instances({a, b}, count);
  one_->store().change_identity(change::AddToken{make_token("t")}, count);
  ASSERT_TRUE(eventually([&] { return sql("SELECT count(*) FROM drover.token") == "1"; }));
  two_->release(Call::kDirectory);
  ASSERT_TRUE(eventually([&] { return answered == 4; }));
  EXPECT_THAT(two_->log(), Contains("read identities +a +b"));
  // Nodes come and go without anything to be read.
  EXPECT_THAT(read_by_two([&] { join("three")->close(); }),
              testing::Each(testing::Not(testing::StartsWith("read"))));
}

TEST_F(ClusterTest, WhatChangesBetweenAPulseAndWhatItLetsReadIsReadNext) {
  join_two();
  std::optional<Session> session;
  session.emplace(*server_, database_, "LOCK TABLE drover.audit");
  two_->store().read_audit({}, [](const auto&) {});  // and all that is read after it waits
  std::atomic<int> answered = 0;
  const auto count = [&](const auto& result) { answered += result ? 1 : 100; };
  one_->store().put_instances({{.project = 1, .id = "a", .address = "adb://a:1"}}, count);
  ASSERT_TRUE(eventually([&] { return one_->times("read +a") == 1; }));
  std::this_thread::sleep_for(Millis(300));
  one_->store().change_identity(change::AddToken{make_token("t")}, count);
  ASSERT_TRUE(eventually([&] { return sql("SELECT count(*) FROM drover.token") == "1"; }));
  EXPECT_EQ(two_->log().back(), "not alone");
  session.reset();
  ASSERT_TRUE(eventually([&] { return answered == 2; }));
  EXPECT_EQ(two_->times("read +a"), 1);
  EXPECT_EQ(two_->directory().identity.tokens.size(), 1u);
}

TEST_F(ClusterTest, WhoIsAheadOfTheDatabaseReadsAllOnce) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"}}));
  // As one that was put back to what it had been before.
  sql("DELETE FROM drover.instance; DELETE FROM drover.instance_change; DELETE FROM drover.instance_unit;"
      "UPDATE drover.directory SET version = version - 1, instances = 1");
  const std::string all = "read identities all instances";
  ASSERT_TRUE(eventually([&] { return one_->times(all) == 1 && two_->times(all) == 1; }));
  EXPECT_TRUE(two_->directory().instances.empty());
  std::this_thread::sleep_for(Millis(1'500));
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "b", .address = "adb://b:1"}}));
  EXPECT_EQ(two_->times(all), 1);
  EXPECT_EQ(two_->times("read +b"), 1);
}

TEST_F(ClusterTest, WhoIsTooFarBehindReadsAll) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"},
                                            {.project = 1, .id = "b", .address = "adb://b:1"}}));
  two_->hold(Call::kDirectory);
  std::atomic<int> answered = 0;
  const auto count = [&](const auto& result) { answered += result ? 1 : 100; };
  one_->store().put_instances({{.project = 1, .id = "c", .address = "adb://c:1"}}, count);
  ASSERT_TRUE(eventually([&] { return two_->owes(Call::kDirectory) == 1; }));
  one_->store().remove_instance(1, count);
  ASSERT_TRUE(eventually([&] { return sql("SELECT count(*) FROM drover.instance") == "2"; }));
  // As if so much had changed since.
  sql("UPDATE drover.directory SET version = version + 20000");
  one_->store().put_instances({{.project = 1, .id = "d", .address = "adb://d:1"}}, count);
  ASSERT_TRUE(eventually([&] { return sql("SELECT count(*) FROM drover.instance_unit") == "1"; }));
  EXPECT_EQ(sql("SELECT string_agg(id, ',') FROM drover.instance_change"), "d");
  two_->release(Call::kDirectory);
  ASSERT_TRUE(eventually([&] { return answered == 3; }));
  EXPECT_THAT(two_->log(), Contains("read identities all instances"));
  std::vector<std::string> ids;
  for (const auto& [id, instance] : two_->directory().instances) ids.push_back(id);
  EXPECT_THAT(ids, ElementsAre("b", "c", "d"));
}

// Which counts here when it is answered, and may be older than what was read while it was not.
TEST_F(ClusterTest, WhatChangedBesideAnOwnChangeIsReadAgain) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "b", .address = "adb://b:1"}}));
  two_->hold(Call::kDirectory);
  std::promise<std::vector<std::string>> known;
  one_->store().put_instances({{.project = 1, .id = "a", .address = "adb://old:1"}},
                              [&](const auto&) { known.set_value(one_->log()); });
  ASSERT_TRUE(eventually([&] { return two_->owes(Call::kDirectory) == 1; }));
  two_->store().put_instances({{.project = 1, .id = "a", .address = "adb://new:1"}}, [](const auto&) {});
  ASSERT_TRUE(eventually([&] { return one_->directory().instances["a"].address == "adb://new:1"; }));
  two_->release(Call::kDirectory);
  const auto before = known.get_future().get();
  ASSERT_TRUE(eventually([&] { return one_->log().size() > before.size(); }));
  EXPECT_EQ(one_->log()[before.size()], "read +a");
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
  ASSERT_TRUE(eventually([&] { return waits("1"); }));
  std::promise<Result<>> removed;
  two_->store().remove_instance(1, [&](const Result<>& result) { removed.set_value(result); });
  std::this_thread::sleep_for(Millis(200));
  held.release();
  EXPECT_TRUE(stored.get_future().get());
  EXPECT_TRUE(removed.get_future().get());
  EXPECT_EQ(sql("SELECT count(*) FROM drover.phone_state"), "0");
}

// All leases have ended meanwhile, and who comes back first does not know who else is alive.
TEST_F(ClusterTest, WhoComesBackFromAnOutageBuriesNobody) {
  TestServer own;
  use(own);
  join_two();
  {
    HeldWriter silent(two_->store());
    own.freeze();
    std::this_thread::sleep_for(Millis(6'000));
    EXPECT_FALSE(one_->cluster().trusted());
    own.thaw();
    ASSERT_TRUE(eventually([&] { return one_->cluster().trusted(); }));
    std::this_thread::sleep_for(Millis(500));
  }
  EXPECT_TRUE(write(two_->store(), accept(task_for(7, {"a"}))));
  EXPECT_EQ(two_->times("fenced"), 0);
  EXPECT_TRUE(eventually([&] { return two_->cluster().trusted(); }));
  one_.reset();
  two_.reset();
}

// Its pulse gets answers, but a server process of its own that nobody has noticed keeps its writes waiting.
TEST_F(ClusterTest, WhoStoresNothingLosesItsShards) {
  join_two();
  const std::string epoch = epoch_of("one");
  const Session stuck(*server_, database_,
                      "SET application_name = 'drover writer " + epoch +
                          "'; SELECT 1 FROM drover.node WHERE epoch = " + epoch + " FOR UPDATE");
  std::promise<void> answered;
  one_->store().write(accept(task_for(7, {"a"})), [&](const Result<>& stored, const WriteBatch&) {
    EXPECT_FALSE(stored);
    answered.set_value();
  });
  ASSERT_TRUE(eventually([&] { return !one_->cluster().trusted(); }));
  EXPECT_TRUE(two_->cluster().trusted());
  one_->vanish();
  ASSERT_TRUE(eventually([&] { return two_->shards().all(); }));
  answered.get_future().wait();
  // Its connection was cut: for a moment it only knows that.
  EXPECT_TRUE(eventually([&] {
    const auto again = write(one_->store(), accept(task_for(8, {"a"})));
    EXPECT_FALSE(again);
    return !again && again.error().code == Errc::kFenced;
  }));
  EXPECT_TRUE(eventually([&] { return one_->times("fenced") == 1; }));
  EXPECT_EQ(two_->times("fenced"), 0);
}

TEST_F(ClusterTest, WhoStoresAgainKeepsItsShards) {
  join_two();
  const ShardSet before = one_->shards();
  std::promise<Result<>> stored;
  {
    const Session slow(*server_, database_, "SELECT 1 FROM drover.node WHERE name = 'one' FOR UPDATE");
    one_->store().write(accept(task_for(7, {"a"})),
                        [&](const Result<>& result, const WriteBatch&) { stored.set_value(result); });
    std::this_thread::sleep_for(Millis(7'000));
    EXPECT_TRUE(one_->cluster().trusted());
  }
  EXPECT_TRUE(stored.get_future().get());
  std::this_thread::sleep_for(Millis(4'000));
  EXPECT_TRUE(one_->cluster().trusted());
  EXPECT_EQ(one_->shards(), before);
}

TEST_F(ClusterTest, WhoWasAwayGoesByWhatHasChangedBeforeItIsTrusted) {
  one_ = join("one");
  one_->hold(Call::kDirectory);
  {
    const Session away(*server_, database_, "SELECT 1 FROM drover.lease FOR UPDATE");
    ASSERT_TRUE(eventually([&] { return !one_->cluster().trusted(); }));
    sql("SELECT drover.count_change(true, false)");
  }
  ASSERT_TRUE(eventually([&] { return one_->owes(Call::kDirectory) == 1; }));
  std::this_thread::sleep_for(Millis(1'500));
  EXPECT_FALSE(one_->cluster().trusted());
  one_->release(Call::kDirectory);
  EXPECT_TRUE(eventually([&] { return one_->cluster().trusted(); }));
}

// Until others see that its lease is renewed they change things without waiting for it.
TEST_F(ClusterTest, WhoIsBackGoesByWhatChangedUntilOthersSawIt) {
  join_two();
  std::optional<Session> away_one(std::in_place, *server_, database_, lock_lease("one"));
  {
    const Session away_two(*server_, database_, lock_lease("two"));
    ASSERT_TRUE(eventually([&] { return !one_->cluster().trusted() && !two_->cluster().trusted(); }));
    std::this_thread::sleep_for(Millis(1'500));  // and their leases are over
  }
  ASSERT_TRUE(eventually([&] { return two_->cluster().trusted(); }));
  one_->hold(Call::kDirectory);
  HeldCommits held(server_->conninfo(database_), "drover.lease", "NEW.epoch = " + epoch_of("one"));
  away_one.reset();
  ASSERT_TRUE(eventually([&] { return waits("1"); }));
  ASSERT_TRUE(put_instances(two_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"}}));
  held.release();
  ASSERT_TRUE(eventually([&] { return one_->owes(Call::kDirectory) == 1 || one_->cluster().trusted(); }));
  std::this_thread::sleep_for(Millis(500));
  EXPECT_FALSE(one_->cluster().trusted());
  one_->release(Call::kDirectory);
  EXPECT_TRUE(eventually([&] { return one_->cluster().trusted(); }));
}

TEST_F(ClusterTest, WhoCannotReadWhatHasChangedLosesItsShards) {
  join_two();
  {
    const Session away(*server_, database_, "SELECT 1 FROM drover.lease FOR UPDATE");
    ASSERT_TRUE(eventually([&] { return !one_->cluster().trusted() && !two_->cluster().trusted(); }));
    one_->hold(Call::kDirectory);
    sql("SELECT drover.count_change(true, false)");
  }
  ASSERT_TRUE(eventually([&] { return two_->cluster().trusted(); }));
  one_->vanish();
  EXPECT_TRUE(eventually([&] { return two_->shards().all(); }));
  EXPECT_TRUE(eventually([&] { return one_->times("fenced") == 1; }));
  EXPECT_EQ(two_->times("fenced"), 0);
  one_->release(Call::kDirectory);
}

// It does not renew its lease meanwhile, so it cannot bury who is in its way.
TEST_F(ClusterTest, WhoWaitsForADeadNodesLocksCutsItOff) {
  join_two();
  const auto begun = std::chrono::steady_clock::now();
  const Session stuck(*server_, database_,
                      "SET application_name = 'drover writer " + epoch_of("one") +
                          "'; SELECT 1 FROM drover.directory FOR UPDATE");
  std::promise<Result<>> stored;
  two_->store().put_instances({{.project = 1, .id = "a", .address = "adb://a:1"}}, [&](const auto& result) {
    stored.set_value(result ? Result<>() : tl::make_unexpected(result.error()));
  });
  std::this_thread::sleep_for(Millis(1'500));
  const Session away(*server_, database_, lock_lease("one"));
  const Result<> result = stored.get_future().get();
  EXPECT_TRUE(result) << result.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - begun, Millis(9'500)) << "it did not wait for the lock's end";
}

// What others accept would be too old for it at once, or seem to come from the future.
TEST_F(ClusterTest, WhoseClockIsWrongDoesNotServeBesideOthers) {
  class Ahead final : public Clock {
   public:
    std::int64_t unix_ms() const override { return Clock::unix_ms() + 600'000; }
  } ahead;
  prometheus::Registry registry;
  const PostgresOptions options = nodes_.make(server_->conninfo(database_), "ahead");
  std::string id;
  {
    auto alone = open_postgres(options, ahead, registry);
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_TRUE(eventually([&] { return std::abs(skew_in(registry) - 600) < 1; }));
    id = sql("SELECT id FROM drover.node");
    (*alone)->close();
  }
  // When it was killed, the lease that it has left behind is not another's.
  sql("INSERT INTO drover.node VALUES(7, '" + id + "', 'ahead')");
  sql("INSERT INTO drover.lease(epoch, expires_at, seen) VALUES(7, now() + interval '1 minute', 1)");
  {
    auto again = open_postgres(options, ahead, registry);
    ASSERT_TRUE(again) << again.error().message;
    (*again)->close();
  }
  one_ = join("one");
  const auto refused = open_postgres(options, ahead, registry);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kWrongClock);
  EXPECT_THAT(refused.error().message, testing::ContainsRegex("(599|600)[.][0-9] s ahead of"));
  EXPECT_EQ(sql("SELECT count(*) FROM drover.node"), "1");
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
  EXPECT_LE(two_->gains(), 2);
}

}  // namespace
}  // namespace drover::store
