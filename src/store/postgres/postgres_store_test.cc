// What only an engine behind a network has to promise: fences, fates that are not known, servers that go
// away.
#include "store/postgres/postgres_store.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "store/postgres/testing/nodes.h"
#include "store/postgres/testing/server.h"
#include "store/testing/store_calls.h"

namespace drover::store {
namespace {

using postgres::TestServer;
using testing::HasSubstr;

constexpr char kWriters[] =
    "FROM pg_stat_activity WHERE application_name LIKE 'drover writer%' AND datname = current_database()";

class PostgresStoreTest : public testing::Test {
 protected:
  postgres::Nodes nodes_;

  void use(TestServer& server) {
    server_ = &server;
    database_ = server.create_database();
  }
  void SetUp() override { use(TestServer::shared()); }

  Result<std::unique_ptr<Store>> open(const std::string& node = "one") {
    return open_postgres(nodes_.make(server_->conninfo(database_), node), clock_, registry_);
  }
  std::string sql(const std::string& text) { return server_->execute(database_, text); }

  // Until `done` holds, or for half a minute.
  template <typename Done>
  bool eventually(Done done) {
    for (int i = 0; i < 1'500; ++i) {
      if (done()) return true;
      std::this_thread::sleep_for(Millis(20));
    }
    return false;
  }

  Clock clock_;
  prometheus::Registry registry_;
  TestServer* server_ = nullptr;
  std::string database_;
};

// Another node is taken for dead after its lease, not before.
TEST_F(PostgresStoreTest, TwoNodesServeOneDatabase) {
  const auto first = open("first").value();
  const auto second = open("second").value();
  EXPECT_TRUE(write(*first, accept(make_task(1, 1))));
  EXPECT_TRUE(write(*second, accept(make_task(2, 1))));
  EXPECT_EQ(list_tasks(*first, 1)->size(), 2u);
}

TEST_F(PostgresStoreTest, ACleanRestartWaitsForNobody) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(open());
  EXPECT_LT(std::chrono::steady_clock::now() - start, Seconds(20)) << "each has waited for a lease's end";
}

TEST_F(PostgresStoreTest, WhoLostItsLeaseStoresNothing) {
  auto first = open("first").value();
  ASSERT_TRUE(write(*first, accept(make_task(1, 1))));
  sql("SELECT drover.bury(epoch) FROM drover.node");
  auto second = open("second");
  ASSERT_TRUE(second) << second.error().message;
  const Task late = make_task(2, 1);
  EXPECT_EQ(write(*first, accept(late)).error().code, Errc::kFenced);
  EXPECT_EQ(add_project(*first, "p").error().code, Errc::kFenced);
  EXPECT_EQ(read_task(*first, late.id).error().code, Errc::kFenced);
  EXPECT_FALSE(read_task(**second, late.id).value());
  EXPECT_EQ((*second)->recover()->open.size(), 1u);
  first->close();
  EXPECT_TRUE(write(**second, accept(make_task(3, 1)))) << "closing the old one takes nothing from the new";
}

// A process that ended without giving its lease back, started anew.
TEST_F(PostgresStoreTest, ANodeThatCrashedDoesNotWaitForItsOwnLease) {
  PostgresOptions options = nodes_.make(server_->conninfo(database_), "one");
  open_postgres(options, clock_, registry_).value()->close();
  std::ifstream file(options.node_file);
  std::string id;
  file >> id;
  sql("SELECT drover.register_node('" + id + "', 'one', 3600000)");
  auto store = open_postgres(options, clock_, registry_);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_TRUE(write(**store, accept(make_task(1, 1))));
}

// Who does not write learns of it too.
TEST_F(PostgresStoreTest, ALostLeaseIsNoticed) {
  std::atomic<int> calls = 0;
  PostgresOptions options = nodes_.make(server_->conninfo(database_), "one");
  options.on_fenced = [&calls](const std::string& twin) {
    EXPECT_EQ(twin, "");
    ++calls;
  };
  auto store = open_postgres(options, clock_, registry_);
  sql("DELETE FROM drover.node");
  EXPECT_TRUE(eventually([&] { return calls == 1; }));
  EXPECT_EQ(write(**store, {}).error().code, Errc::kFenced);
  EXPECT_EQ(calls, 1);
}

TEST_F(PostgresStoreTest, TwoThatOpenANewDatabaseAtOnceDoNotDisturbEachOther) {
  for (int round = 0; round < 3; ++round) {
    use(*server_);
    Result<std::unique_ptr<Store>> stores[2];
    std::thread other([&] {
      stores[1] = open("b");
      if (stores[1]) (*stores[1])->close();
    });
    stores[0] = open("a");
    if (stores[0]) (*stores[0])->close();
    other.join();
    // The one that came second got the lease when the first gave it back.
    for (auto& store : stores) EXPECT_TRUE(store) << store.error().message;
  }
}

TEST_F(PostgresStoreTest, StrangeSchemasAreLeftAlone) {
  ASSERT_TRUE(open());
  sql("UPDATE drover.version SET version = 99");
  EXPECT_EQ(open().error().code, Errc::kTooNew);
  sql("DROP SCHEMA drover CASCADE; CREATE SCHEMA drover; CREATE TABLE drover.t(x int)");
  EXPECT_EQ(open().error().code, Errc::kCorrupt);
  EXPECT_EQ(open_postgres(nodes_.make("no conninfo at all", "one"), clock_, registry_).error().code,
            std::errc::invalid_argument);
}

// A role that may make nothing in the database but what is in its own schema.
class WeakRoleTest : public PostgresStoreTest {
 protected:
  void SetUp() override {
    PostgresStoreTest::SetUp();
    role_ = "weak_" + database_;
    sql("CREATE ROLE " + role_ + " LOGIN");
  }
  Result<std::unique_ptr<Store>> open() {
    return open_postgres(nodes_.make(server_->conninfo(database_) + " user=" + role_, "one"), clock_,
                         registry_);
  }
  std::string role_;
};

TEST_F(WeakRoleTest, AnEmptySchemaThatWasMadeForItIsUsed) {
  sql("CREATE SCHEMA drover AUTHORIZATION " + role_);
  sql("ALTER DEFAULT PRIVILEGES IN SCHEMA drover GRANT SELECT ON TABLES TO PUBLIC");
  for (int start = 1; start <= 2; ++start) {
    const auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_TRUE(write(**store, accept(make_task(start, 1))));
  }
}

TEST_F(WeakRoleTest, IsToldWhatToRun) {
  const auto said = [this] {
    const auto store = open();
    EXPECT_FALSE(store);
    if (store) return std::string();
    EXPECT_EQ(store.error().code, Errc::kRejected);
    EXPECT_THAT(store.error().message, HasSubstr("42501: permission denied"));
    return store.error().message;
  };
  EXPECT_THAT(said(), testing::AllOf(HasSubstr("GRANT CREATE ON DATABASE " + database_ + " TO " + role_),
                                     HasSubstr("CREATE SCHEMA drover AUTHORIZATION " + role_)));
  sql("CREATE SCHEMA drover");
  EXPECT_THAT(said(), HasSubstr("ALTER SCHEMA drover OWNER TO " + role_));
  sql("DROP SCHEMA drover");
  ASSERT_TRUE(PostgresStoreTest::open());
  EXPECT_THAT(said(), HasSubstr("belongs to the role drover"));
}

TEST_F(PostgresStoreTest, ACopiedNodeFileIsNamed) {
  PostgresOptions options = nodes_.make(server_->conninfo(database_), "first");
  std::promise<std::string> fenced;
  options.on_fenced = [&fenced](const std::string& twin) { fenced.set_value(twin); };
  const auto first = open_postgres(options, clock_, registry_);
  ASSERT_TRUE(first) << first.error().message;
  PostgresOptions copy = nodes_.make(server_->conninfo(database_), "second");
  std::filesystem::copy_file(options.node_file, copy.node_file);
  const auto second = open_postgres(copy, clock_, registry_);
  ASSERT_TRUE(second) << second.error().message;
  auto twin = fenced.get_future();
  ASSERT_EQ(twin.wait_for(Seconds(30)), std::future_status::ready);
  EXPECT_EQ(twin.get(), "second");
}

// The writer's server process is ended again and again, at any moment of a write.
TEST_F(PostgresStoreTest, WhatIsAnsweredIsTrueHoweverOftenTheConnectionBreaks) {
  auto store = open().value();
  std::atomic<bool> done = false;
  std::atomic<int> kills = 0;
  std::thread killer([&] {
    std::mt19937 random(1);
    while (!done) {
      std::this_thread::sleep_for(std::chrono::microseconds(2'000 + random() % 60'000));
      if (sql(std::string("SELECT count(pg_terminate_backend(pid)) ") + kWriters) != "0") ++kills;
    }
  });
  constexpr std::int64_t kThreads = 4;
  std::mutex mutex;
  std::map<std::int64_t, std::pair<Task, Result<>>> answers;
  std::map<std::string, Result<Project>> projects;
  std::vector<std::thread> threads;
  const auto begun = std::chrono::steady_clock::now();
  std::atomic<int> written = 0;
  const auto enough = [&] {
    const auto passed = std::chrono::steady_clock::now() - begun;
    return passed >= Seconds(30) || (passed >= Seconds(4) && kills > 10 && written > 100);
  };
  for (std::int64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::int64_t seq = thread + 1; !enough(); seq += kThreads) {
        Task task;
        {
          const std::lock_guard lock(mutex);
          task = make_task(seq, 2);
        }
        const auto result = write(*store, whole(task, seq));
        if (result) ++written;
        if (!result) std::this_thread::sleep_for(Millis(5));
        const std::string name = "p" + std::to_string(seq);
        const auto project = seq % 7 == 0 ? add_project(*store, name) : Result<Project>();
        const std::lock_guard lock(mutex);
        answers.emplace(seq, std::pair(task, result));
        if (seq % 7 == 0) projects.emplace(name, project);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  killer.join();
  ASSERT_TRUE(eventually([&] { return write(*store, {}).has_value(); }));

  std::int64_t stored = 0;
  for (const auto& [seq, answer] : answers) {
    const auto& [task, result] = answer;
    const auto record = read_task(*store, task.id);
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->has_value(), result.has_value()) << seq;
    if (!result) {
      EXPECT_EQ(result.error().code, Errc::kUnavailable) << result.error().message;
    }
    if (result) ++stored;
  }
  std::set<std::int64_t> seqs;
  const auto rows = store->identity_rows().value().projects;
  for (const auto& [name, project] : projects) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Project& p) { return p.name == name; });
    ASSERT_EQ(row != rows.end(), project.has_value()) << name;
    if (project) {
      EXPECT_EQ(row->seq, project->seq);
      seqs.insert(project->seq);
    }
  }
  EXPECT_EQ(seqs.size(), rows.size());
  EXPECT_EQ(sql("SELECT sum(jobs) FROM drover.stock"), std::to_string(2 * stored));
  EXPECT_GT(kills, 10);
  EXPECT_GT(stored, 100);
}

// The server stores a unit, and the connection breaks before it says so: it waits for a standby that there is
// not.
TEST_F(PostgresStoreTest, AUnitWhoseAnswerWasLostIsStoredOnce) {
  TestServer own({.settings = {"wal_level=replica", "max_wal_senders=2"}});
  use(own);
  auto store = open().value();
  ASSERT_TRUE(write(*store, accept(make_task(1, 1))));  // so that its day is there
  ASSERT_TRUE(put_instances(*store, {{.project = 1, .id = "a", .address = "adb://a:1", .created_ms = 5}}));

  const Task task = make_task(2, 1);
  std::promise<Result<>> stored;
  std::vector<Result<Project>> projects;
  std::optional<Result<std::vector<Instance>>> put;
  {
    HeldWriter held(*store);
    sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    sql("SELECT pg_reload_conf()");
    // The checkpointer, which is what makes commits wait, has read it too.
    ASSERT_TRUE(eventually([&] { return sql("SHOW synchronous_standby_names") == "nobody"; }));
    std::this_thread::sleep_for(Millis(1'000));
    for (const char* id : {"x", "x", "y"})
      store->add_project({.id = id, .name = id},
                         [&](Result<Project> made) { projects.push_back(std::move(made)); });
    store->put_instances({{.project = 1, .id = "a", .address = "adb://b:1", .created_ms = 9}},
                         [&](Result<std::vector<Instance>> made) { put = std::move(made); });
    store->write(accept(task),
                 [&](Result<> result, const WriteBatch&) { stored.set_value(std::move(result)); });
  }
  ASSERT_TRUE(eventually([&] {
    return sql(std::string("SELECT count(*) ") + kWriters + " AND wait_event = 'SyncRep'") == "1";
  }));
  sql(std::string("SELECT pg_terminate_backend(pid) ") + kWriters);
  sql("ALTER SYSTEM RESET synchronous_standby_names");
  sql("SELECT pg_reload_conf()");
  const auto answer = stored.get_future().get();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(read_task(*store, task.id).value());
  ASSERT_EQ(projects.size(), 3u);
  EXPECT_EQ(projects[0]->seq, 1);
  EXPECT_EQ(projects[1].error().code, Errc::kExists);
  EXPECT_EQ(projects[2]->seq, 2);
  ASSERT_TRUE(put && *put);
  EXPECT_EQ((*put)->at(0).seq, 1);
  EXPECT_EQ((*put)->at(0).created_ms, 5);
  EXPECT_EQ((*put)->at(0).address, "adb://b:1");
  EXPECT_EQ(sql("SELECT sum(jobs) FROM drover.stock"), "2");
  EXPECT_EQ(metric(registry_, "drover_store_failed_commits_total"), 0);
  store.reset();
}

TEST_F(PostgresStoreTest, WhileTheServerIsAwayWritesFailAndAfterwardsTheyWork) {
  TestServer own;
  use(own);
  auto store = open().value();
  const Task before = make_task(1, 1);
  ASSERT_TRUE(write(*store, accept(before)));
  own.kill();
  const Task lost = make_task(2, 1);
  // The first may have been on its way; it waits for its fate, so it is not asked for here.
  ASSERT_TRUE(eventually([&] {
    const auto read = read_task(*store, before.id);
    return !read && read.error().code == Errc::kUnavailable;
  }));
  ASSERT_TRUE(eventually([&] {
    auto promise = std::make_shared<std::promise<Result<>>>();
    auto answer = promise->get_future();
    store->write(accept(lost),
                 [promise](Result<> r, const WriteBatch&) { promise->set_value(std::move(r)); });
    return answer.wait_for(Seconds(2)) == std::future_status::ready &&
           answer.get().error().code == Errc::kUnavailable;
  }));
  own.start();
  ASSERT_TRUE(eventually([&] { return write(*store, accept(make_task(3, 1))).has_value(); }));
  EXPECT_TRUE(eventually([&] { return read_task(*store, before.id).has_value(); }));
  EXPECT_TRUE(read_task(*store, before.id).value());
  store.reset();
}

TEST_F(PostgresStoreTest, AStoreClosesWhileItsServerIsAway) {
  TestServer own;
  use(own);
  auto store = open().value();
  own.kill();
  const auto start = std::chrono::steady_clock::now();
  std::optional<Result<>> answer;
  store->write(accept(make_task(1, 1)),
               [&](Result<> result, const WriteBatch&) { answer = std::move(result); });
  store->close();
  EXPECT_LT(std::chrono::steady_clock::now() - start, Seconds(10));
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
  own.start();
  EXPECT_TRUE(open());
}

TEST_F(PostgresStoreTest, DaysAreMadeWhenNeededAndGoWhole) {
  auto store = open().value();
  const Task old = make_task(1, 3);
  ASSERT_TRUE(write(*store, whole(old, old.created_ms + 5)));
  EXPECT_EQ(sql("SELECT count(*) FROM drover.task_19675"), "1");
  const auto jobs = [&](int day) {
    return sql("SELECT coalesce(sum(jobs), 0) FROM drover.stock WHERE day = " + std::to_string(day));
  };
  EXPECT_EQ(jobs(19'675), "3");
  const Task other = make_task(9, 2);
  ASSERT_TRUE(write(*store, whole(other, 19'675 * std::int64_t{86'400'000} + 1)));
  EXPECT_EQ(delete_old(*store, {.max_jobs = 3}).value(), 2u) << "it finished first";
  EXPECT_EQ(jobs(19'675), "3");
  const std::int64_t next_day = 19'676 * std::int64_t{86'400'000};
  EXPECT_EQ(delete_old(*store, {.finished_before_ms = old.created_ms + 5}).value(), 0u);
  EXPECT_EQ(delete_old(*store, {.finished_before_ms = next_day}).value(), 3u);
  EXPECT_EQ(sql("SELECT to_regclass('drover.task_19675') IS NULL"), "t");
  EXPECT_EQ(jobs(19'675), "0");
  EXPECT_FALSE(read_task(*store, old.id).value());
  EXPECT_FALSE(read_job(*store, old.id.job(0)).value());
  EXPECT_EQ(store->recover()->next_task, 10);
  // The day is needed again.
  const Task late = make_task(10, 1);
  ASSERT_TRUE(write(*store, accept(late)));
  EXPECT_EQ(jobs(19'675), "1");
  EXPECT_TRUE(read_task(*store, late.id).value());
  // An open task keeps its day.
  EXPECT_EQ(delete_old(*store, {.finished_before_ms = next_day}).value(), 0u);
  EXPECT_TRUE(read_task(*store, late.id).value());
  EXPECT_EQ(delete_old(*store, {.max_jobs = 1}).value(), 0u);
}

// A group in which one is at fault for a reason that only the database knows.
TEST_F(PostgresStoreTest, ARefusedBatchDoesNotHarmThoseThatShareItsCommit) {
  auto store = open().value();
  ASSERT_TRUE(write(*store, accept(make_task(1, 2))));
  std::vector<Result<>> results(5);
  {
    HeldWriter held(*store);
    const auto queue = [&](std::size_t n, WriteBatch batch) {
      store->write(std::move(batch), [&results, n](const Result<>& r, const WriteBatch&) { results[n] = r; });
    };
    queue(0, accept(make_task(2, 1)));
    WriteBatch early;
    early.ended.push_back({{1, 0}, success()});
    early.finished.push_back({1, 9});
    queue(1, early);
    queue(2, accept(make_task(3, 1)));
    WriteBatch twice;
    twice.begun = {{{1, 0}, 5}, {{1, 0}, 6}};
    queue(3, twice);
    queue(4, accept(make_task(4, 1)));
    held.release();
    store->close();
  }
  for (const std::size_t n : {0, 2, 4}) EXPECT_TRUE(results[n]) << results[n].error().message;
  for (const std::size_t n : {1, 3}) {
    ASSERT_FALSE(results[n]);
    EXPECT_EQ(results[n].error().code, std::errc::invalid_argument) << results[n].error().message;
  }
}

}  // namespace
}  // namespace drover::store
