#include "store/sqlite/writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "store/sqlite/database.h"
#include "store/sqlite/store_fixture.h"

namespace drover::store {
namespace {

class WriterTest : public SqliteTest {
 protected:
  void queue(WriteBatch batch) {
    store().write(std::move(batch), [](const Result<>&, const WriteBatch&) {});
  }

  WriteBatch begin_jobs(std::int64_t task, std::uint32_t jobs) {
    WriteBatch batch;
    for (std::uint32_t i = 0; i < jobs; ++i) batch.begun.push_back({{task, i}, 1});
    return batch;
  }

  double commits() { return metric("drover_store_commit_seconds"); }
};

TEST_F(WriterTest, CommitIsBounded) {
  HeldWriter held(store());
  const double before = commits();
  for (std::int64_t seq = 1; seq <= 5; ++seq) queue(begin_jobs(seq, 9'000));
  held.release();
  store().close();
  EXPECT_EQ(commits() - before, 2);  // 27,000 rows and 18,000
}

TEST_F(WriterTest, CommitIsBoundedByBytesToo) {
  HeldWriter held(store());
  const double before = commits();
  const std::string output(6'000'000, 'x');
  for (std::int64_t seq = 1; seq <= 4; ++seq) queue(whole(make_task(seq, 1), 1, output));
  held.release();
  store().close();
  EXPECT_EQ(commits() - before, 2);  // of three and one
}

// The log is brought back and starts over while writes never pause.
TEST_F(WriterTest, LogStaysBoundedUnderLoad) {
  std::uintmax_t largest = 0;
  std::uintmax_t written = 0;
  const std::string output(200'000, 'x');
  for (std::int64_t seq = 1; written < 100'000'000; ++seq) {
    ASSERT_TRUE(write(store(), whole(make_task(seq, 5), 1, output)));
    written += 5 * output.size();
    largest = std::max(largest, std::filesystem::file_size(path() + "-wal"));
  }
  EXPECT_LT(largest, 75'000'000u);
}

// A backup reads an old state for long: the log has to keep what came after, and no longer than that.
TEST_F(WriterTest, LogStartsOverWhenAReaderOfAnOldStateIsGone) {
  const std::string output(200'000, 'x');
  std::int64_t seq = 0;
  const auto write_some = [&](int bytes) {
    for (int written = 0; written < bytes; written += 1'000'000)
      ASSERT_TRUE(write(store(), whole(make_task(++seq, 5), 1, output)));
  };
  write_some(1'000'000);
  {
    auto reader = sqlite::Database::open(path(), sqlite::Database::Access::kRead).value();
    ASSERT_TRUE(reader.run("BEGIN; SELECT count(*) FROM task"));
    write_some(100'000'000);
    EXPECT_GT(std::filesystem::file_size(path() + "-wal"), 95'000'000u);
  }
  write_some(30'000'000);
  EXPECT_LT(std::filesystem::file_size(path() + "-wal"), 75'000'000u);
}

}  // namespace
}  // namespace drover::store
