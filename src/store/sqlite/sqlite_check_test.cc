#include "store/sqlite/sqlite_check.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "store/sqlite/database.h"
#include "store/sqlite/store_fixture.h"

namespace drover::store {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kNow = 1'800'000'000'000;

class CheckTest : public SqliteTest {
 protected:
  CheckReport check(bool full = false) {
    return check_sqlite({.path = path(), .full = full, .now_ms = kNow});
  }

  // The first finding of `check` that is no `ok`, or an empty one.
  static Finding complaint(const CheckReport& report) {
    const auto found = std::ranges::find_if(report.findings,
                                            [](const Finding& each) { return each.verdict != Verdict::kOk; });
    return found == report.findings.end() ? Finding{} : *found;
  }

  // Of the closed database, after `sql`.
  Finding complaint_after(const char* sql) {
    store_.reset();
    EXPECT_TRUE(sqlite::Database::open(path())->run(sql));
    return complaint(check());
  }

  void fill() {
    ASSERT_TRUE(add_project(store(), "default"));
    ASSERT_TRUE(write(store(), whole(make_task(1, 3), 1'700'000'005'000)));
    WriteBatch open = accept(make_task(2, 2));
    open.begun.push_back({{2, 0}, 1});
    ASSERT_TRUE(write(store(), open));
    ASSERT_TRUE(add_user(store(), "ann",
                         {{.user = 0, .project = 0, .policy = "KooPhone ReadOnlyUser"},
                          {.user = 0, .project = 1, .policy = "blue"}}));
    ASSERT_TRUE(change_identity(store(), change::PutPolicy{{"blue", "{}", 1}}));
    ASSERT_TRUE(change_identity(store(), change::AddKey{make_key("A", 1)}));
    ASSERT_TRUE(change_identity(store(), change::AddToken{make_token("t")}));
    for (const std::int64_t hour : {8, 9, 8})
      ASSERT_TRUE(add_audit(store(), {make_entry("a", hour * 3'600'000)}));
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path()).parent_path()))
      names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }
};

TEST_F(CheckTest, FindsNothingBesideAServer) {
  fill();
  for (const bool full : {false, true}) {
    const CheckReport report = check(full);
    EXPECT_EQ(complaint(report).message, "");
    EXPECT_TRUE(report.in_use);
    EXPECT_EQ(report.server, ::getpid());
  }
}

TEST_F(CheckTest, LeavesNothingBehind) {
  fill();
  store_.reset();
  const auto before = files();
  const CheckReport report = check(true);
  EXPECT_EQ(complaint(report).message, "");
  EXPECT_FALSE(report.in_use);
  EXPECT_EQ(files(), before);
}

TEST_F(CheckTest, FindsRowsThatContradictEachOther) {
  const struct {
    const char* sql;
    const char* said;
    Verdict verdict;
  } cases[] = {
      {"INSERT INTO unfinished VALUES(9)", "1 unfinished tasks are not there", Verdict::kFailure},
      {"DELETE FROM unfinished", "1 tasks are neither finished nor unfinished", Verdict::kFailure},
      {"INSERT INTO unfinished VALUES(1)", "both finished and unfinished", Verdict::kFailure},
      {"DELETE FROM result WHERE job = 1048577", "lack results", Verdict::kFailure},
      {"UPDATE finished SET succeeded = 2", "lack results, or have other counts", Verdict::kFailure},
      {"UPDATE task SET jobs = 7 WHERE seq = 2", "other numbers of instances", Verdict::kFailure},
      {"UPDATE result SET state = 9 WHERE job = 1048577", "what no job can end as", Verdict::kFailure},
      {"INSERT INTO begun VALUES(9437184, 1)", "beginnings belong to no", Verdict::kWarning},
      {"INSERT INTO result SELECT 9437184, state, error, exit_code, 1, 1, 0, 0, 0, 0, 0, 0, '', x'', NULL, "
       "NULL"
       " FROM result LIMIT 1",
       "results belong to no task", Verdict::kWarning},
      {"INSERT INTO instance VALUES(1, 5, 'p', 'adb://h:1', 1, '')", "belong to no project",
       Verdict::kWarning},
      {"INSERT INTO role_grant VALUES(1, 7, 'blue')", "1 instances, tokens or grants", Verdict::kWarning},
      {"DELETE FROM user", "3 grants or access keys belong to no user", Verdict::kWarning},
      {"DELETE FROM policy", "1 grants or tokens name a role", Verdict::kWarning},
      {"UPDATE token SET policy = 'red'", "1 grants or tokens name a role", Verdict::kWarning},
      {"UPDATE audit_hour SET hour = 7 WHERE first = 2", "1 entries of the audit log", Verdict::kWarning},
      {"DELETE FROM audit_hour", "3 entries of the audit log", Verdict::kWarning},
  };
  for (const auto& each : cases) {
    store_.reset();
    std::filesystem::remove(path());
    open();
    fill();
    const Finding found = complaint_after(each.sql);
    EXPECT_THAT(found.message, HasSubstr(each.said)) << each.sql;
    EXPECT_EQ(found.verdict, each.verdict) << each.sql;
  }
}

TEST_F(CheckTest, AdviceOfTheSameKindIsGivenOnce) {
  fill();
  store_.reset();
  ASSERT_TRUE(sqlite::Database::open(path())->run("DELETE FROM unfinished; UPDATE result SET state = 9"));
  const std::string folder = std::filesystem::path(path()).parent_path().string();
  std::vector<std::string> advice;
  for (const Finding& each : check().findings) {
    if (!each.advice.empty()) advice.push_back(each.advice);
  }
  EXPECT_THAT(advice, testing::ElementsAre(HasSubstr("mv " + folder + " " + folder + ".damaged && cp -a")));
}

TEST_F(CheckTest, IndexThatDisagreesWithItsTableIsFoundByTheFullCheck) {
  fill();
  // The index is made again without its second row, and then said to have all.
  const Finding quick = complaint_after(
      "PRAGMA writable_schema = ON;"
      "UPDATE sqlite_schema SET sql = sql || ' WHERE seq < 2' WHERE name = 'task_by_project';"
      "PRAGMA writable_schema = RESET; REINDEX task_by_project; PRAGMA writable_schema = ON;"
      "UPDATE sqlite_schema SET sql = substr(sql, 1, length(sql) - 14) WHERE name = 'task_by_project'");
  EXPECT_EQ(quick.message, "");
  EXPECT_EQ(complaint(check(true)).check, "integrity");
}

TEST_F(CheckTest, ClockThatWasSetBackIsAWarning) {
  fill();
  const CheckReport report = check_sqlite({.path = path(), .full = false, .now_ms = 1'600'000'000'000});
  EXPECT_EQ(complaint(report).check, "clock");
  EXPECT_EQ(complaint(report).verdict, Verdict::kWarning);
}

TEST_F(CheckTest, SaysWhatIsNoDatabase) {
  EXPECT_THAT(complaint_after("PRAGMA user_version = 99").message, HasSubstr("version is 99"));
  EXPECT_THAT(complaint_after("PRAGMA application_id = 1").message, HasSubstr("another program"));
  const auto replaced = [this](const std::string& bytes) {
    std::filesystem::remove_all(path());
    std::ofstream(path(), std::ios::binary) << bytes;
    return complaint(check());
  };
  EXPECT_EQ(replaced(std::string(9'000, '#')).verdict, Verdict::kFailure);
  EXPECT_THAT(replaced("").message, HasSubstr("0 bytes"));
  EXPECT_THAT(replaced("S").message, HasSubstr("1 bytes"));
  std::filesystem::remove(path());
  EXPECT_EQ(complaint(check()).verdict, Verdict::kWarning) << "the first start is still to come";
  std::filesystem::create_directory(path());
  EXPECT_THAT(complaint(check()).message, HasSubstr("is not a regular file"));
}

}  // namespace
}  // namespace drover::store
