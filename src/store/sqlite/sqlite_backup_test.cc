#include "store/sqlite/sqlite_backup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <stop_token>
#include <thread>

#include "store/sqlite/database.h"
#include "store/sqlite/store_fixture.h"

namespace drover::store {
namespace {

bool go_on(std::uint64_t, std::uint64_t) { return true; }

class BackupTest : public SqliteTest {
 protected:
  std::string copy() const { return dir_.file("copy.db"); }

  Recovery recover_copy() {
    prometheus::Registry registry;
    auto opened = open_sqlite({copy()}, registry);
    EXPECT_TRUE(opened) << opened.error().message;
    return (*opened)->recover().value();
  }
};

TEST_F(BackupTest, CopyIsOneFileThatOpens) {
  const Task task = make_task(1, 3);
  ASSERT_TRUE(add_project(store(), "lab"));
  ASSERT_TRUE(write(store(), whole(task, 5)));
  const auto report = back_up_sqlite(path(), copy(), go_on);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->tasks, 1);
  EXPECT_EQ(report->open_jobs, 0);
  EXPECT_EQ(report->bytes, std::filesystem::file_size(copy()));
  struct stat status {};
  ASSERT_EQ(::stat(copy().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    EXPECT_FALSE(std::filesystem::exists(copy() + suffix)) << suffix;

  prometheus::Registry registry;
  auto opened = open_sqlite({copy()}, registry);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ((*opened)->identity_rows()->projects.at(0).name, "lab");
  EXPECT_EQ(read_job(**opened, task.id.job(2)).value()->out.bytes, "ok\n");
  EXPECT_TRUE(write(**opened, accept(make_task((*opened)->recover()->next_task, 1))));
}

TEST_F(BackupTest, CopyHasUsersAndTheAuditLogButNotTheirNumbersThatCome) {
  const auto round = [](Store& of, const std::string& name) {
    ASSERT_TRUE(change_identity(of, change::AddKey{make_key(name, add_user(of, name)->seq)}));
    ASSERT_TRUE(add_audit(of, {make_entry(name)}));
  };
  ASSERT_TRUE(back_up_sqlite(path(), dir_.file("empty.db"), go_on));
  round(store(), "ann");
  ASSERT_TRUE(back_up_sqlite(path(), copy(), go_on));
  round(store(), "bob");
  for (const auto& [file, users] : {std::pair(copy(), 1u), std::pair(dir_.file("empty.db"), 0u)}) {
    prometheus::Registry registry;
    auto opened = open_sqlite({file}, registry).value();
    EXPECT_EQ(opened->identity_rows()->users.size(), users);
    EXPECT_EQ(opened->identity_rows()->keys.size(), users);
    EXPECT_EQ(read_audit(*opened)->size(), users);
    // Whoever was given a number after the copy was made is somebody else.
    round(*opened, "carl");
    EXPECT_GT(opened->identity_rows()->users.back().seq, 1'000'000);
    EXPECT_GT(read_audit(*opened)->back().seq, 1'000'000);
  }
}

// What runs once must not run again, and nobody knows what has run since the copy was made.
TEST_F(BackupTest, EveryOpenJobOfTheCopyHasBegun) {
  ASSERT_TRUE(write(store(), whole(make_task(1, 2), 5)));
  WriteBatch batch = accept(make_task(2, 4));
  batch.begun.push_back({{2, 1}, 77});
  batch.ended.push_back({{2, 2}, success()});
  batch.accepted.push_back(make_task(3, 1));
  batch.accepted.push_back(make_task(4, 0));
  batch.accepted.push_back(make_task(5, 1'500));
  ASSERT_TRUE(write(store(), batch));
  const auto report = back_up_sqlite(path(), copy(), go_on);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->open_jobs, 3 + 1 + 1'500);

  const Recovery recovery = recover_copy();
  ASSERT_EQ(recovery.begun.size(), 1'504u);
  EXPECT_EQ(recovery.begun[0].job, (JobKey{2, 0}));
  EXPECT_EQ(recovery.begun[1].job, (JobKey{2, 1}));
  EXPECT_EQ(recovery.begun[1].at_ms, 77) << "a beginning that is known is kept";
  EXPECT_EQ(recovery.begun[2].job, (JobKey{2, 3}));
  EXPECT_EQ(recovery.begun[3].job, (JobKey{3, 0}));
  EXPECT_EQ(recovery.begun[1'503].job, (JobKey{5, 1'499}));
  EXPECT_EQ(store().recover()->begun.size(), 1u) << "the original is as it was";
}

TEST_F(BackupTest, NumbersOfTasksAcceptedAfterTheCopyAreFree) {
  ASSERT_TRUE(write(store(), whole(make_task(41, 1), 5)));
  ASSERT_TRUE(back_up_sqlite(path(), copy(), go_on));
  EXPECT_EQ(store().recover()->next_task, 42);
  EXPECT_GT(recover_copy().next_task, 1'000'000'000);
}

// Every commit adds one task whole: in the copy there are those up to a moment, whole.
TEST_F(BackupTest, CopyIsOfOneMomentWhileTheStoreIsWritten) {
  ASSERT_TRUE(write(store(), whole(make_task(1, 5), 9)));
  const std::jthread writer([&](const std::stop_token& stop) {
    const std::string output(20'000, 'x');
    for (std::int64_t seq = 2; !stop.stop_requested(); ++seq)
      ASSERT_TRUE(write(store(), whole(make_task(seq, 5), 9, output)));
  });
  for (int round = 0; round < 5; ++round) {
    std::filesystem::remove(copy());
    const auto report = back_up_sqlite(path(), copy(), go_on);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->open_jobs, 0);
    prometheus::Registry registry;
    auto opened = open_sqlite({copy()}, registry);
    ASSERT_TRUE(opened) << opened.error().message;
    const auto tasks = list_tasks(**opened, 1, 0, 1'000'000).value();
    EXPECT_EQ(static_cast<std::int64_t>(tasks.size()), report->tasks);
    ASSERT_FALSE(tasks.empty());
    EXPECT_EQ(tasks.front().task.seq, report->tasks);
    for (const auto& task : tasks) EXPECT_EQ(task.succeeded, 5u);
  }
}

TEST_F(BackupTest, StopsWhenNobodyWantsIt) {
  ASSERT_TRUE(write(store(), whole(make_task(1, 5), 5, std::string(1'000'000, 'x'))));
  const auto report = back_up_sqlite(path(), copy(), [](std::uint64_t, std::uint64_t) { return false; });
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, std::errc::operation_canceled);
}

TEST_F(BackupTest, DamageIsNotCopiedAsIfItWereWhole) {
  ASSERT_TRUE(write(store(), whole(make_task(1, 500), 5)));
  store_.reset();
  std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path()) - 8'192));
  file << std::string(4'096, '\x5a');
  file.close();
  const auto report = back_up_sqlite(path(), copy(), go_on);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Errc::kCorrupt) << report.error().message;
}

TEST_F(BackupTest, FileThatIsThereIsLeftAlone) {
  std::ofstream(copy()) << "mine";
  EXPECT_FALSE(back_up_sqlite(path(), copy(), go_on));
  EXPECT_EQ(std::filesystem::file_size(copy()), 4u);
}

}  // namespace
}  // namespace drover::store
