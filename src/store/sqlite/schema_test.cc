#include "store/sqlite/schema.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>
#include <fstream>

#include "store/sqlite/store_fixture.h"

namespace drover::store::sqlite {
namespace {

// A file as version 1 wrote it. Never changes: people have such files.
constexpr const char* kFileOfVersion1 = R"sql(
BEGIN;
PRAGMA application_id = 1146246738;
PRAGMA user_version = 1;
CREATE TABLE project(seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  koophone_commands_only INTEGER NOT NULL, created_ms INTEGER NOT NULL) STRICT;
CREATE TABLE token(id TEXT PRIMARY KEY, hash BLOB NOT NULL, project INTEGER NOT NULL, role INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE instance(seq INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL, id TEXT NOT NULL,
  address TEXT NOT NULL, created_ms INTEGER NOT NULL, UNIQUE(project, id)) STRICT;
CREATE TABLE task(seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, project INTEGER NOT NULL,
  jobs INTEGER NOT NULL, created_ms INTEGER NOT NULL, start_deadline_s INTEGER NOT NULL,
  run_timeout_s INTEGER NOT NULL, command TEXT NOT NULL, targets TEXT NOT NULL) STRICT;
CREATE INDEX task_by_project ON task(project);
CREATE TABLE unfinished(task INTEGER PRIMARY KEY) STRICT;
CREATE TABLE finished(task INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, jobs INTEGER NOT NULL,
  succeeded INTEGER NOT NULL, failed INTEGER NOT NULL, lost INTEGER NOT NULL,
  cancelled INTEGER NOT NULL) STRICT;
CREATE INDEX finished_by_time ON finished(at_ms);
CREATE TABLE begun(job INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE result(job INTEGER PRIMARY KEY, state INTEGER NOT NULL, error INTEGER NOT NULL,
  exit_code INTEGER NOT NULL, begun_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL,
  out_omitted INTEGER NOT NULL, out_omitted_at INTEGER NOT NULL,
  err_omitted INTEGER NOT NULL, err_omitted_at INTEGER NOT NULL,
  output_bytes INTEGER NOT NULL, output_hash INTEGER NOT NULL,
  message TEXT NOT NULL, shown BLOB NOT NULL, out BLOB, err BLOB) STRICT;
CREATE TABLE deleted(only INTEGER PRIMARY KEY CHECK (only = 1), last_task INTEGER NOT NULL) STRICT;
INSERT INTO deleted VALUES(1, 4);
INSERT INTO project VALUES(1, 'lab', 1, 10), (7, 'zoo', 0, 11);
INSERT INTO token VALUES('t', x'00ff', 1, 1, 11, 12), ('u', x'68', 7, 0, 12, 13);
INSERT INTO instance VALUES(1, 1, 'p', 'adb://h:1', 13), (3, 1, 'gone', 'adb://h:3', 13);
DELETE FROM instance WHERE seq = 3;
INSERT INTO task VALUES(5, x'0102030405060708090a0b0c', 1, 2, 14, 600, 60, 'id', 'p' || char(10) || 'q');
INSERT INTO task VALUES(6, x'010203040506070809000000', 1, 1, 14, 600, 60, 'id', 'p');
INSERT INTO finished VALUES(6, 18, 1, 1, 0, 0, 0);
INSERT INTO result VALUES(6 * 1048576, 2, 0, 0, 16, 17, 0, 0, 0, 0, 3, 77, '', x'6f65', NULL, x'');
INSERT INTO unfinished VALUES(5);
INSERT INTO begun VALUES(5 * 1048576, 15), (5 * 1048576 + 1, 16);
INSERT INTO result VALUES(5 * 1048576 + 1, 3, 4, 127, 16, 17, 0, 0, 9, 8, 12, 77, 'exit code 127', x'6f65', x'6f', x'65');
COMMIT;
)sql";

class SchemaTest : public ::testing::Test {
 protected:
  std::string path() const { return dir_.file("test.db"); }

  Database open_empty() {
    std::ofstream(path()).close();
    return Database::open(path()).value();
  }

  TempDir dir_;
};

TEST_F(SchemaTest, FileOfVersion1Opens) {
  ASSERT_TRUE(open_empty().run(kFileOfVersion1));
  prometheus::Registry registry;
  auto store = open_sqlite({path()}, registry);
  ASSERT_TRUE(store) << store.error().message;
  const IdentityRows rows = (*store)->identity_rows().value();
  ASSERT_EQ(rows.projects.size(), 2u);
  const std::string id = rows.projects[0].id;
  EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(id, rows.projects[1].id);
  EXPECT_EQ(rows.projects[0],
            (Project{.seq = 1, .id = id, .name = "lab", .koophone_commands_only = true, .created_ms = 10}));
  EXPECT_EQ(rows.projects[1].seq, 7);
  EXPECT_EQ(rows.tokens, (std::vector{Token{.id = "t",
                                            .hash = std::string("\0\xff", 2),
                                            .project = 1,
                                            .policy = "KooPhone Administrator",
                                            .created_ms = 11,
                                            .expires_ms = 12},
                                      Token{.id = "u",
                                            .hash = "h",
                                            .project = 7,
                                            .policy = "KooPhone ReadOnlyUser",
                                            .created_ms = 12,
                                            .expires_ms = 13}}));
  EXPECT_THAT(rows.users, testing::IsEmpty());
  EXPECT_EQ(
      (*store)->instances().value(),
      (std::vector{Instance{
          .seq = 1, .project = 1, .id = "p", .address = "adb://h:1", .labels = Labels(), .created_ms = 13}}));

  const auto recovery = (*store)->recover().value();
  EXPECT_EQ(recovery.next_task, 7);
  ASSERT_EQ(recovery.open.size(), 1u);
  EXPECT_THAT(recovery.open[0].task.targets, testing::ElementsAre("p", "q"));
  ASSERT_EQ(recovery.begun.size(), 1u);
  EXPECT_EQ(recovery.begun[0].job, (JobKey{5, 0}));

  const auto task = Id::parse("0102030405060708090a0b0c00000000").value();
  EXPECT_EQ(recovery.open[0].task.id, task);
  const auto outcome = read_job(**store, task.job(1)).value().value();
  EXPECT_EQ(outcome.state, JobState::kFailed);
  EXPECT_EQ(outcome.error, JobError::kExit);
  EXPECT_EQ(outcome.exit_code, 127);
  EXPECT_EQ(outcome.out, (StreamOutput{"o", 0, 0}));
  EXPECT_EQ(outcome.err, (StreamOutput{"e", 9, 8}));

  const auto finished = read_task(**store, Id::parse("01020304050607080900000000000000").value());
  EXPECT_EQ(finished->value().task.finished_ms, 18);
  // And it is written to as a new one.
  EXPECT_EQ(add_project(**store, "lab").error().code, Errc::kExists);
  EXPECT_EQ(add_project(**store, "new").value().seq, 8);
  EXPECT_EQ(put_instances(**store, {{.project = 1, .id = "q", .address = "adb://h:2"}}).value()[0].seq, 4);
  EXPECT_TRUE(add_audit(**store, {make_entry("a")}));
}

TEST_F(SchemaTest, NewFileHasTheSameTablesAsTheFixture) {
  const auto tables = [](Database& db) {
    auto rows = db.prepare(
                      "SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk"
                      " FROM sqlite_schema m JOIN pragma_table_info(m.name) c ORDER BY 1")
                    .value();
    std::vector<std::string> all;
    while (rows.step().value()) all.emplace_back(rows.bytes(0));
    return all;
  };
  Database fresh = open_empty();
  ASSERT_TRUE(migrate(fresh, migrations().first(1)));
  const std::string other = dir_.file("fixture.db");
  std::ofstream(other).close();
  Database fixture = Database::open(other).value();
  ASSERT_TRUE(fixture.run(kFileOfVersion1));
  EXPECT_EQ(tables(fresh), tables(fixture));
}

// Who goes back to the version before is told so, and nothing is changed.
TEST_F(SchemaTest, FileIsNotOpenedByTheVersionBefore) {
  Database db = open_empty();
  ASSERT_TRUE(migrate(db, migrations()));
  const auto refused = migrate(db, migrations().first(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kTooNew);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("its version is 2, the last one known here is 1"));
  EXPECT_EQ(db.integer("PRAGMA user_version").value(), 2);
}

// As after a crash in the midst of it.
TEST_F(SchemaTest, MigrationFailsWhole) {
  Database db = open_empty();
  ASSERT_TRUE(db.run(kFileOfVersion1));
  ASSERT_TRUE(db.run("CREATE TABLE audit(a)"));
  EXPECT_FALSE(migrate(db, migrations()));
  EXPECT_EQ(db.integer("PRAGMA user_version").value(), 1);
  EXPECT_EQ(db.integer("SELECT sum(role) FROM token").value(), 1);
  ASSERT_TRUE(db.run("DROP TABLE audit"));
  EXPECT_TRUE(migrate(db, migrations()));
}

TEST_F(SchemaTest, StepsRunOnceEach) {
  Database db = open_empty();
  const std::array one = {"CREATE TABLE a(x)"};
  const std::array two = {"CREATE TABLE a(x)", "ALTER TABLE a ADD COLUMN y"};
  ASSERT_TRUE(migrate(db, one));
  EXPECT_EQ(db.integer("PRAGMA user_version").value(), 1);
  ASSERT_TRUE(db.run("INSERT INTO a VALUES(7)"));
  ASSERT_TRUE(migrate(db, two));
  ASSERT_TRUE(migrate(db, two));
  EXPECT_EQ(db.integer("PRAGMA user_version").value(), 2);
  EXPECT_EQ(db.integer("SELECT x FROM a WHERE y IS NULL").value(), 7);
}

TEST_F(SchemaTest, FailedStepLeavesTheVersionBefore) {
  Database db = open_empty();
  const std::array steps = {"CREATE TABLE a(x)", "CREATE TABLE b(x); INSERT INTO missing VALUES(1)"};
  const auto failed = migrate(db, steps);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, testing::HasSubstr("missing"));
  EXPECT_EQ(db.integer("PRAGMA user_version").value(), 1);
  EXPECT_EQ(db.integer("SELECT count(*) FROM sqlite_schema").value(), 1);
}

}  // namespace
}  // namespace drover::store::sqlite
