// What is left after full disks and wrong files.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "store/sqlite/store_fixture.h"

namespace drover::store {
namespace {

class DurabilityTest : public SqliteTest {
 protected:
  void SetUp() override {}

  Error error_of_opening() {
    auto opened = open_sqlite({path()}, registry_);
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }

  // Runs `sql` with nothing of ours involved.
  void run_sql(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
};

// Makes writes to files fail beyond a size, as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t largest_file) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = largest_file;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(DurabilityTest, FullDiskFailsWritesAndNothingElse) {
  open();
  const Task before = make_task(1, 1);
  const Task during = make_task(2, 1);
  const Task large = make_task(3, 1);
  const std::string output(1'048'576, 'x');
  ASSERT_TRUE(write(store(), whole(before, 5)));

  std::vector<Result<>> results;
  WriteBatch returned;
  {
    HeldWriter held(store());
    const FullDisk full(std::filesystem::file_size(path() + "-wal") + 100'000);
    // They share a commit, and so a fate.
    store().write(whole(during, 5),
                  [&](const Result<>& result, const WriteBatch&) { results.push_back(result); });
    store().write(whole(large, 5, output), [&](Result<> result, WriteBatch batch) {
      results.push_back(std::move(result));
      returned = std::move(batch);
    });
    held.release();
    // Comes after both, and is refused too.
    const auto project = add_project(store(), "a");
    EXPECT_EQ(results.size(), 2u);
    for (const Result<>& result : results) {
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code, Errc::kUnavailable) << result.error().message;
      EXPECT_THAT(result.error().message, testing::HasSubstr("SQLite"));
    }
    EXPECT_TRUE(read_task(store(), before.id).value());
    EXPECT_FALSE(read_task(store(), during.id).value());
  }
  EXPECT_GE(metric("drover_store_failed_commits_total"), 1);

  ASSERT_TRUE(write(store(), std::move(returned)));
  EXPECT_EQ(read_job(store(), large.id.job(0)).value()->out.bytes, output);
  EXPECT_TRUE(write(store(), whole(during, 5)));
  EXPECT_EQ(list_tasks(store(), 1)->size(), 3u);
  reopen();
  EXPECT_EQ(list_tasks(store(), 1)->size(), 3u);
  EXPECT_EQ(store().recover()->next_task, 4);
}

TEST_F(DurabilityTest, LaterVersionIsRefusedAndLeftAlone) {
  open();
  store_.reset();
  run_sql("PRAGMA user_version = 99");
  const Error error = error_of_opening();
  EXPECT_EQ(error.code, Errc::kTooNew);
  EXPECT_THAT(error.message, testing::AllOf(testing::HasSubstr("99"), testing::HasSubstr(path())));
  run_sql("INSERT INTO project VALUES(1, 'id', 'still there', 0, 0)");
}

TEST_F(DurabilityTest, WhatIsNoDatabaseIsRefused) {
  std::ofstream(path()) << std::string(10'000, '#');
  const Error error = error_of_opening();
  EXPECT_EQ(error.code, Errc::kCorrupt);
  EXPECT_THAT(error.message, testing::HasSubstr(path()));
}

TEST_F(DurabilityTest, DatabaseOfAnotherProgramIsRefusedAndLeftAlone) {
  run_sql("CREATE TABLE theirs(a)");
  EXPECT_EQ(error_of_opening().code, Errc::kCorrupt);
  run_sql("PRAGMA application_id = 1; DROP TABLE theirs");
  EXPECT_EQ(error_of_opening().code, Errc::kCorrupt);
}

TEST_F(DurabilityTest, DamagedDatabaseIsRefused) {
  open();
  ASSERT_TRUE(write(store(), whole(make_task(1, 500), 5)));
  store_.reset();
  {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(std::filesystem::file_size(path()) - 4096, '\x5a');
  }
  EXPECT_EQ(error_of_opening().code, Errc::kCorrupt);
}

TEST_F(DurabilityTest, MissingFolderIsUnavailable) {
  auto opened = open_sqlite({dir_.file("no/such/folder.db")}, registry_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kUnavailable);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("no/such/folder.db"));
}

TEST_F(DurabilityTest, OnlyTheOwnerMayReadTheFiles) {
  const mode_t mask = ::umask(0);
  open();
  EXPECT_TRUE(write(store(), accept(make_task(1, 1))));
  ::umask(mask);
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat status {};
    ASSERT_EQ(::stat((path() + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << suffix;
  }
}

}  // namespace
}  // namespace drover::store
