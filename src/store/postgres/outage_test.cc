// A server that goes away, connections that break, a lease that is lost: what was acknowledged is there, what
// was refused is not, and the store serves again by itself.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/testing/nodes.h"
#include "store/postgres/testing/server.h"
#include "store/testing/store_calls.h"

namespace drover::store {
namespace {

using postgres::TestServer;

class OutageTest : public testing::Test {
 protected:
  postgres::Nodes nodes_;

  OutageTest() : database_(server_.create_database()) {}

  void SetUp() override { open(); }

  Result<std::unique_ptr<Store>> open_as(const std::string& node) {
    return open_postgres(nodes_.make(server_.conninfo(database_), node), clock_, registry_);
  }
  void open() {
    store_.reset();
    auto opened = open_as("node-1");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  Store& store() { return *store_; }

  // Each connection comes back by itself: the one for reading perhaps after the one for writing.
  Result<std::vector<Store::TaskSummary>> list_when_it_reads_again() {
    auto tasks = list_tasks(store(), 1);
    for (int i = 0; i < 600 && !tasks; ++i) {
      pause(50);
      tasks = list_tasks(store(), 1);
    }
    return tasks;
  }

  // Stores one task after the other until it may, or half a minute has passed.
  bool serves_again(std::int64_t seq) {
    for (int i = 0; i < 600; ++i) {
      if (write(store(), whole(make_task(seq, 1), 5))) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }

  // Writes without a pause while `trouble` runs on this thread, then checks that each write's answer was
  // true, and that what was stored was answered in order.
  void write_through(const std::function<void()>& trouble) {
    constexpr std::size_t kUnderWay = 64;
    std::mutex mutex;
    std::map<std::int64_t, Error> refused;
    std::vector<std::int64_t> answered;
    std::vector<Task> tasks;
    std::atomic<bool> stop = false;
    std::thread writer([&] {
      for (std::int64_t seq = 1; !stop; ++seq) {
        Task task = make_task(seq, 2);
        tasks.push_back(task);
        store().write(whole(std::move(task), 5), [&, seq](const Result<>& result, const WriteBatch&) {
          const std::lock_guard lock(mutex);
          answered.push_back(seq);
          if (!result) refused.emplace(seq, result.error());
        });
        for (;;) {
          std::this_thread::sleep_for(std::chrono::microseconds(200));
          const std::lock_guard lock(mutex);
          if (tasks.size() - answered.size() < kUnderWay || stop) break;
        }
      }
    });
    trouble();
    stop = true;
    writer.join();
    const auto last = static_cast<std::int64_t>(tasks.size()) + 1;
    EXPECT_TRUE(serves_again(last));
    store().close();

    ASSERT_EQ(answered.size(), tasks.size()) << "each write is answered once";
    // While an older one's fate is not known, later ones may be refused.
    std::erase_if(answered, [&](std::int64_t seq) { return refused.contains(seq); });
    EXPECT_TRUE(std::ranges::is_sorted(answered));
    EXPECT_LT(refused.size(), tasks.size());
    open();
    for (const Task& task : tasks) {
      const auto record = read_task(store(), task.id).value();
      const auto why = refused.find(task.seq);
      ASSERT_EQ(record.has_value(), why == refused.end()) << task.seq;
      if (record) {
        EXPECT_NE(record->task.finished_ms, 0);
        EXPECT_TRUE(record->outcomes[0] && record->outcomes[1]);
      } else {
        EXPECT_EQ(why->second.code, Errc::kUnavailable) << why->second.message;
      }
    }
    EXPECT_EQ(store().recover()->next_task, last + 1);
    EXPECT_THAT(store().recover()->open, testing::IsEmpty());
  }

  // Within half a minute.
  bool takes_writes_is(bool expected) {
    for (int i = 0; i < 600 && store().takes_writes() != expected; ++i) pause(50);
    return store().takes_writes() == expected;
  }

  void pause(int millis) { std::this_thread::sleep_for(std::chrono::milliseconds(millis)); }

  TestServer server_;
  const std::string database_;
  Clock clock_;
  prometheus::Registry registry_;
  std::unique_ptr<Store> store_;
};

TEST_F(OutageTest, ItSaysAtOnceThatItTakesNoWrites) {
  EXPECT_TRUE(store().takes_writes());
  server_.stop();
  const auto lost_at = std::chrono::steady_clock::now();
  EXPECT_TRUE(takes_writes_is(false));
  EXPECT_LT(std::chrono::steady_clock::now() - lost_at, std::chrono::seconds(3)) << "the lease ends later";
  pause(200);
  EXPECT_FALSE(store().takes_writes());
  server_.start();
  ASSERT_TRUE(takes_writes_is(true));
  EXPECT_TRUE(write(store(), whole(make_task(1, 1), 5)));
}

TEST_F(OutageTest, ItTakesNoWritesWhileTheyAreRefused) {
  server_.execute(database_,
                  "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN"
                  " RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $fn$;"
                  "CREATE TRIGGER refuse BEFORE INSERT ON drover.open_task FOR EACH ROW"
                  " EXECUTE FUNCTION refuse()");
  EXPECT_FALSE(write(store(), whole(make_task(1, 1), 5)));
  EXPECT_FALSE(store().takes_writes());
  server_.execute(database_, "DROP TRIGGER refuse ON drover.open_task");
  EXPECT_TRUE(write(store(), whole(make_task(2, 1), 5)));
  EXPECT_TRUE(store().takes_writes());
}

TEST_F(OutageTest, WhileTheServerIsStoppedAllIsUnavailable) {
  ASSERT_TRUE(write(store(), whole(make_task(1, 1), 5)));
  server_.stop();
  ASSERT_TRUE(
      takes_writes_is(false));  // what is given to it before is of unknown fate until the server is back
  const auto begun = std::chrono::steady_clock::now();
  for (std::int64_t seq = 2; seq < 12; ++seq)
    EXPECT_EQ(write(store(), whole(make_task(seq, 1), 5)).error().code, Errc::kUnavailable);
  EXPECT_EQ(list_tasks(store(), 1).error().code, Errc::kUnavailable);
  EXPECT_EQ(add_project(store(), "a").error().code, Errc::kUnavailable);
  EXPECT_EQ(delete_old(store(), {.max_jobs = 1}).error().code, Errc::kUnavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
  server_.start();
  EXPECT_TRUE(serves_again(12));
  const auto tasks = list_when_it_reads_again();
  ASSERT_TRUE(tasks) << tasks.error().message;
  EXPECT_EQ(tasks->size(), 2u);
}

TEST_F(OutageTest, AnswersAreTrueWhenTheServerIsKilled) {
  write_through([this] {
    for (int i = 0; i < 3; ++i) {
      pause(300);
      server_.kill();
      server_.start();
    }
    pause(300);
  });
}

TEST_F(OutageTest, AnswersAreTrueWhenConnectionsAreCut) {
  write_through([this] {
    for (int i = 0; i < 30; ++i) {
      pause(100);
      server_.execute(database_,
                      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                      "current_database() AND pid <> pg_backend_pid()");
    }
  });
}

TEST_F(OutageTest, AShortHangHarmsNobody) {
  write_through([this] {
    pause(100);
    server_.freeze();
    pause(1'500);
    server_.thaw();
    pause(100);
  });
}

// Longer than the lease: nobody else came, so it goes on.
TEST_F(OutageTest, ALongHangEndsWell) {
  write_through([this] {
    pause(100);
    server_.freeze();
    pause(7'000);
    server_.thaw();
    pause(100);
  });
}

TEST_F(OutageTest, WhoLostItsLeaseWritesNothingAnyMore) {
  const Task before = make_task(1, 1);
  const Task after = make_task(2, 1);
  ASSERT_TRUE(write(store(), accept(before)));
  server_.execute(database_, "DELETE FROM drover.node");
  EXPECT_EQ(write(store(), accept(after)).error().code, Errc::kFenced);
  EXPECT_EQ(write(store(), accept(after)).error().code, Errc::kFenced);
  EXPECT_EQ(add_project(store(), "a").error().code, Errc::kFenced);
  const auto other = open_as("node-2");
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(list_tasks(**other, 1)->size(), 1u);
  EXPECT_TRUE(write(**other, accept(after)));
  EXPECT_EQ(write(store(), accept(make_task(3, 1))).error().code, Errc::kFenced);
  store().close();
  EXPECT_TRUE(write(**other, accept(make_task(3, 1)))) << "the first took only its own lease with it";
}

TEST_F(OutageTest, TwoThatStartAtOnceOnANewDatabaseBothServe) {
  const std::string fresh = server_.create_database();
  const auto open_fresh = [&](const std::string& node) {
    return open_postgres(nodes_.make(server_.conninfo(fresh), node), clock_, registry_);
  };
  Result<std::unique_ptr<Store>> one;
  Result<std::unique_ptr<Store>> two;
  std::thread first([&] { one = open_fresh("one"); });
  std::thread second([&] { two = open_fresh("two"); });
  first.join();
  second.join();
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_TRUE(write(**one, accept(make_task(1, 1))));
  EXPECT_TRUE(write(**two, accept(make_task(2, 1))));
}

TEST_F(OutageTest, LaterVersionIsRefusedAndLeftAlone) {
  store_.reset();
  server_.execute(database_, "UPDATE drover.version SET version = 99");
  const auto refused = open_as("node-1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kTooNew);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("99"));
  EXPECT_EQ(server_.execute(database_, "SELECT version FROM drover.version"), "99");
  EXPECT_EQ(server_.execute(database_, "SELECT count(*) FROM drover.node"), "0");
}

TEST_F(OutageTest, SchemaOfAnotherProgramIsRefusedAndLeftAlone) {
  store_.reset();
  server_.execute(database_,
                  "DROP SCHEMA drover CASCADE; CREATE SCHEMA drover; CREATE TABLE drover.theirs(a int)");
  const auto refused = open_as("node-1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kCorrupt);
  EXPECT_EQ(server_.execute(database_, "SELECT count(*) FROM pg_tables WHERE schemaname = 'drover'"), "1");
}

TEST_F(OutageTest, NoServerIsUnavailableAndNoPasswordIsTold) {
  server_.stop();
  auto refused = open_postgres(
      nodes_.make(server_.tcp_conninfo(database_) + " password=not-to-be-told", "node-1"), clock_, registry_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_THAT(refused.error().message, testing::HasSubstr(database_));
  EXPECT_THAT(refused.error().message, testing::Not(testing::HasSubstr("not-to-be-told")));
  server_.start();
}

TEST_F(OutageTest, ConninfoThatIsNoneIsRefusedWithoutBeingTold) {
  const auto refused =
      open_postgres(nodes_.make("hots=x password=not-to-be-told", "node-1"), clock_, registry_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, std::errc::invalid_argument);
  EXPECT_THAT(refused.error().message, testing::Not(testing::HasSubstr("not-to-be-told")));
}

}  // namespace
}  // namespace drover::store
