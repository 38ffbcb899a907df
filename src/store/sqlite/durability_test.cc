// What is left after crashes, full disks, wrong files and second servers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "store/sqlite/store_fixture.h"

namespace drover::store {
namespace {

class DurabilityTest : public StoreTest {
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

// Stores tasks until it is killed, and writes the number of each that was acknowledged into `acknowledged`.
[[noreturn]] void write_until_killed(const std::string& path, std::int64_t first, int acknowledged) {
  prometheus::Registry registry;
  auto store = open_sqlite({path}, registry);
  if (!store) _exit(1);
  for (std::int64_t seq = first;; ++seq) {
    Task task = make_task(seq, 3);
    // Found again by its number alone.
    task.id = Id();
    for (int i = 0; i < 8; ++i) task.id.bytes[11 - i] = static_cast<std::uint8_t>(seq >> (8 * i));
    (*store)->write(whole(task, 1, std::string(5'000, 'x')),
                    [acknowledged, seq](const Result<>& result, const WriteBatch&) {
                      if (!result || ::write(acknowledged, &seq, sizeof seq) != sizeof seq) _exit(2);
                    });
    if (seq % 7 == 0) (void)(*store)->identity_rows();  // not more than the disk can take
  }
}

TEST_F(DurabilityTest, AcknowledgedWritesOutliveKill9) {
  std::int64_t last = 0;
  for (const int enough : {1, 40, 400, 1'500}) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe_ends[0]);
      write_until_killed(path(), last + 1, pipe_ends[1]);
    }
    ::close(pipe_ends[1]);
    std::int64_t seq = 0;
    int acknowledged = 0;
    while (::read(pipe_ends[0], &seq, sizeof seq) == sizeof seq) {
      EXPECT_EQ(seq, last + 1);  // in order, so that all up to `last` are known to be durable
      last = seq;
      if (++acknowledged == enough) ::kill(child, SIGKILL);  // and read what it said before it died
    }
    ::close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "exit status " << status;

    open();
    const auto tasks = list_tasks(store(), 1, 0, 1'000'000).value();
    ASSERT_GE(tasks.size(), static_cast<std::size_t>(last));
    // Whole tasks only, also of those that nobody was told of.
    for (const auto& summary : tasks) {
      EXPECT_EQ(summary.ended(), 3u);
      EXPECT_EQ(summary.succeeded, 3u);
      EXPECT_NE(summary.task.finished_ms, 0);
    }
    EXPECT_EQ(tasks.back().task.seq, 1);
    EXPECT_EQ(tasks.front().task.seq, static_cast<std::int64_t>(tasks.size()));
    EXPECT_THAT(store().recover()->open, testing::IsEmpty());
    last = tasks.front().task.seq;
    store_.reset();
  }
}

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

TEST_F(DurabilityTest, SecondServerIsKeptOut) {
  open();
  const Error error = error_of_opening();
  EXPECT_EQ(error.code, Errc::kLocked);
  EXPECT_THAT(error.message, testing::HasSubstr(path()));
  EXPECT_TRUE(write(store(), accept(make_task(1, 1))));
  store().close();  // closed is enough
  auto second = open_sqlite({path()}, registry_);
  EXPECT_TRUE(second) << second.error().message;
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
