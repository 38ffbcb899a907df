// A database comes to a later version whole and once, with all that it holds.
#include "store/postgres/schema.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <future>
#include <thread>

#include "store/postgres/postgres_check.h"
#include "store/postgres/testing/nodes.h"
#include "store/postgres/testing/server.h"
#include "store/testing/store_calls.h"

namespace drover::store::postgres {
namespace {

using testing::HasSubstr;
using Opened = Result<std::unique_ptr<Store>>;
using Steps = std::vector<std::string>;

constexpr char kCounted[] = "INSERT INTO public.ran VALUES(2);";
constexpr char kLabelled[] =
    "ALTER TABLE drover.instance ADD COLUMN place text NOT NULL DEFAULT '';"
    "UPDATE drover.instance SET place = 'room of ' || id;"
    "ALTER TABLE drover.task ADD COLUMN note bytea;"
    "UPDATE drover.task SET note = command;";

// The released versions, then these.
Steps released_and(const Steps& more) {
  Steps steps(migrations().begin(), migrations().end());
  steps.insert(steps.end(), more.begin(), more.end());
  return steps;
}

class PostgresSchemaTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = server_.create_database();
    sql("CREATE TABLE public.ran(step int)");
  }

  Opened open(std::span<const std::string> steps = migrations(), const std::string& name = "one") {
    PostgresOptions options = nodes_.make(server_.conninfo(database_), name);
    options.migrations = steps;
    return open_postgres(options, clock_, registry_);
  }
  std::vector<Opened> open_at_once(std::size_t nodes, std::span<const std::string> steps) {
    std::vector<std::future<Opened>> under_way(nodes);
    for (auto& one : under_way) one = std::async(std::launch::async, [&] { return open(steps); });
    std::vector<Opened> stores(nodes);
    for (std::size_t i = 0; i < nodes; ++i) stores[i] = under_way[i].get();
    for (const Opened& store : stores) EXPECT_TRUE(store) << store.error().message;
    return stores;
  }
  std::string sql(const std::string& text) { return server_.execute(database_, text); }
  std::string version() { return sql("SELECT version FROM drover.version"); }
  std::string next(std::size_t more = 1) { return std::to_string(migrations().size() + more); }

  // By a store of the released version.
  void fill() {
    const auto store = open().value();
    ASSERT_TRUE(write(*store, whole(finished_, 1'700'000'002'000)));
    WriteBatch batch = accept(open_);
    batch.begun.push_back({{open_.seq, 0}, 1'700'000'003'000});
    ASSERT_TRUE(write(*store, std::move(batch)));
    project_ = add_project(*store, "lab").value();
    user_ = add_user(*store, "ann", {{.project = project_.seq, .policy = "p"}}).value();
    instances_ = put_instances(*store, {{.project = 1, .id = "a", .address = "adb://a:1"}}).value();
    ASSERT_TRUE(add_audit(*store, {make_entry("first")}));
  }

  void expect_filled(Store& store) {
    const auto finished = read_task(store, finished_.id).value();
    ASSERT_TRUE(finished);
    EXPECT_EQ(finished->task.targets, finished_.targets);
    EXPECT_EQ(finished->task.finished_ms, 1'700'000'002'000);
    EXPECT_EQ(read_job(store, finished_.id.job(1)).value()->out.bytes, "ok\n");
    const auto recovery = store.recover().value();
    ASSERT_EQ(recovery.open.size(), 1u);
    EXPECT_EQ(recovery.open[0].task.id, open_.id);
    ASSERT_EQ(recovery.begun.size(), 1u);
    EXPECT_EQ(recovery.begun[0].job, (JobKey{open_.seq, 0}));
    const auto rows = store.identity_rows().value();
    EXPECT_EQ(rows.projects, std::vector{project_});
    EXPECT_EQ(rows.users, std::vector{user_});
    EXPECT_EQ(rows.grants.size(), 1u);
    EXPECT_EQ(store.instances().value(), instances_);
    const auto audit = read_audit(store).value();
    ASSERT_EQ(audit.size(), 1u);
    EXPECT_EQ(audit[0].subject, "first");
  }

  // Of a day that is there, and of one that is not yet.
  void expect_writable(Store& store) {
    EXPECT_TRUE(write(store, accept(make_task(10, 1))));
    Task later = make_task(11, 1);
    later.id = IdMaker().next(1'800'000'000'000);
    EXPECT_TRUE(write(store, whole(later, 1'800'000'000'001)));
    EXPECT_TRUE(put_instances(store, {{.project = 1, .id = "b", .address = "adb://b:1"}}));
    EXPECT_TRUE(add_user(store, "bob"));
  }

  TestServer& server_ = TestServer::shared();
  std::string database_;
  Nodes nodes_;
  Clock clock_;
  prometheus::Registry registry_;

  const Task finished_ = make_task(1, 2);
  const Task open_ = make_task(2, 3);
  Project project_;
  User user_;
  std::vector<Instance> instances_;
};

TEST_F(PostgresSchemaTest, WhatIsStoredComesAlong) {
  fill();
  const Steps steps = released_and({kLabelled});
  const auto store = open(steps);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(version(), next());
  EXPECT_EQ(sql("SELECT place FROM drover.instance"), "room of a");
  EXPECT_EQ(sql("SELECT string_agg(convert_from(note, 'UTF8'), ',' ORDER BY seq) FROM drover.task"),
            "echo 1,echo 2");
  expect_filled(**store);
  expect_writable(**store);
}

TEST_F(PostgresSchemaTest, NodesThatStartAtOnceRunEachStepOnce) {
  const std::string slow = std::string("PERFORM pg_sleep(0.1);") + kCounted;
  const Steps steps = released_and({slow, slow + kLabelled});
  for (const bool filled : {false, true}) {
    SCOPED_TRACE(filled ? "from the version before" : "from nothing");
    if (filled) {
      SetUp();
      fill();
    }
    const auto stores = open_at_once(8, steps);
    EXPECT_EQ(version(), next(2));
    EXPECT_EQ(sql("SELECT count(*) FROM public.ran"), "2");
    for (const Opened& store : stores) {
      EXPECT_TRUE(store && (*store)->identity_rows());
      if (store && filled) expect_filled(**store);
    }
    if (stores[0]) expect_writable(**stores[0]);
  }
}

TEST_F(PostgresSchemaTest, StepsRunOnceEach) {
  const Steps two = released_and({kCounted});
  const Steps three = released_and({kCounted, kCounted});
  for (const Steps& steps : {two, two, three, three}) ASSERT_TRUE(open(steps));
  EXPECT_EQ(sql("SELECT count(*) FROM public.ran"), "2");
}

// The one that failed and those before it.
TEST_F(PostgresSchemaTest, AStepThatFailsLeavesTheVersionThatWasThere) {
  fill();
  const auto failed = open(released_and({kLabelled, "DROP TABLE drover.inbox; DROP TABLE drover.missing;"}));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("missing"));
  EXPECT_EQ(version(), next(0));
  EXPECT_EQ(sql("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'drover'"
                " AND column_name IN ('place', 'note')"),
            "0");
  {
    const auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    expect_filled(**store);
    expect_writable(**store);
  }
  EXPECT_TRUE(open(released_and({kLabelled})));
}

TEST_F(PostgresSchemaTest, WhoGoesBackToTheVersionBeforeIsRefused) {
  fill();
  const Steps steps = released_and({kLabelled});
  ASSERT_TRUE(open(steps));
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kTooNew);
  EXPECT_THAT(refused.error().message,
              HasSubstr("its version is " + next() + ", the last one known here is " + next(0)));
  EXPECT_EQ(version(), next());
  EXPECT_EQ(sql("SELECT count(*) FROM drover.node"), "0");
  expect_filled(**open(steps));
}

TEST_F(PostgresSchemaTest, WhileNodesOfAnEarlierVersionRunNothingIsChanged) {
  fill();
  const Steps steps = released_and({kLabelled});
  {
    const auto old = open(migrations(), "old").value();
    const auto refused = open(steps);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kOldNodes);
    EXPECT_THAT(refused.error().message, HasSubstr(": old"));
    EXPECT_EQ(version(), next(0));
    expect_writable(*old);
  }
  EXPECT_TRUE(open(steps));
}

TEST_F(PostgresSchemaTest, TheDoctorSaysWhichVersionItIs) {
  ASSERT_TRUE(open());
  const auto finding = [this](const std::string& version) {
    sql("UPDATE drover.version SET version = " + version);
    const auto report = check_postgres(server_.conninfo(database_), "here");
    const auto of_schema = [](const Finding& one) { return one.check == "schema"; };
    const auto found = std::ranges::find_if(report.findings, of_schema);
    return found == report.findings.end() ? Finding() : *found;
  };
  EXPECT_EQ(finding("0").verdict, Verdict::kWarning);
  EXPECT_EQ(finding("99").verdict, Verdict::kFailure);
  EXPECT_EQ(finding(next(0)).verdict, Verdict::kOk);
  EXPECT_THAT(finding(next(0)).message, HasSubstr(next(0)));
}

// It may come back, and does not know the version that it finds.
TEST_F(PostgresSchemaTest, ANodeWhoseLeaseHasEndedIsFenced) {
  fill();
  const std::string epoch = sql("SELECT drover.register_node('x', 'hangs', -1)");
  EXPECT_TRUE(open(released_and({kLabelled})));
  EXPECT_THROW(sql("SELECT drover.fence(" + epoch + ", 1)"), std::runtime_error);
}

// It found its version, and before it is registered there is another.
TEST_F(PostgresSchemaTest, ANodeDoesNotEnterAVersionThatItDoesNotKnow) {
  fill();
  const auto waits = [this](const std::string& granted) {
    return "EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND " + granted +
           " AND objid = (4923250421 & 4294967295)::oid AND database ="
           " (SELECT oid FROM pg_database WHERE datname = '" +
           database_ + "'))";
  };
  std::thread migrates([&] {
    sql("BEGIN; SELECT pg_advisory_xact_lock(4923250421);"
        "DO $$ BEGIN FOR i IN 1..500 LOOP EXIT WHEN " +
        waits("NOT granted") +
        "; PERFORM pg_sleep(0.01); END LOOP; END $$;"
        "UPDATE drover.version SET version = version + 1; COMMIT");
  });
  for (int i = 0; i < 400 && sql("SELECT " + waits("granted")) != "t"; ++i)
    std::this_thread::sleep_for(Millis(5));
  const auto refused = open();
  migrates.join();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kTooNew);
  EXPECT_EQ(sql("SELECT count(*) FROM drover.node"), "0");
}

// Longer than answers and locks are waited for otherwise: by who runs the step, and by who waits for it.
TEST_F(PostgresSchemaTest, AStepTakesItsTime) {
  const auto stores = open_at_once(2, released_and({"PERFORM pg_sleep(16); CREATE TABLE public.limits AS "
                                                    "SELECT current_setting('statement_timeout');"}));
  EXPECT_EQ(version(), next());
  EXPECT_EQ(sql("SELECT current_setting FROM public.limits"), "0");
}

}  // namespace
}  // namespace drover::store::postgres
