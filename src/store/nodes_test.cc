// A node that is killed, and a second one on the same database.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "store/testing/store_fixture.h"

namespace drover::store {
namespace {

class NodesTest : public StoreTest {};

// Stores tasks until it is killed, and writes the number of each that was acknowledged into `acknowledged`.
[[noreturn]] void write_until_killed(Result<std::unique_ptr<Store>> store, std::int64_t first,
                                     int acknowledged) {
  if (!store) _exit(1);
  IdMaker ids;  // make_task()'s would begin alike in each process that is forked
  for (std::int64_t seq = first;; ++seq) {
    Task task = make_task(seq, 3);
    task.id = ids.next(task.created_ms);
    (*store)->write(whole(std::move(task), 1, std::string(5'000, 'x')),
                    [acknowledged, seq](const Result<>& result, const WriteBatch&) {
                      if (!result || ::write(acknowledged, &seq, sizeof seq) != sizeof seq) _exit(2);
                    });
    if (seq % 7 == 0) (void)(*store)->identity_rows();  // not more than the disk can take
  }
}

TEST_P(NodesTest, AcknowledgedWritesOutliveKill9) {
  std::int64_t last = 0;
  store_.reset();
  const std::vector<int> rounds = GetParam() == Engine::kSqlite ? std::vector{1, 40, 400, 1'500}
                                                                : std::vector{40, 1'500};  // a lease each
  for (const int enough : rounds) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe_ends[0]);
      write_until_killed(open_another(), last + 1, pipe_ends[1]);
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

TEST_P(NodesTest, SecondIsKeptOutUntilTheFirstIsClosed) {
  if (GetParam() != Engine::kSqlite) GTEST_SKIP() << "several may serve";
  const auto second = open_another();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kLocked);
  EXPECT_THAT(second.error().message, testing::HasSubstr(whereabouts()));
  EXPECT_TRUE(write(store(), accept(make_task(1, 1))));
  store().close();  // closed is enough
  const auto third = open_another();
  ASSERT_TRUE(third) << third.error().message;
  EXPECT_EQ(list_tasks(**third, 1)->size(), 1u);
}

ON_EVERY_ENGINE(NodesTest);

}  // namespace
}  // namespace drover::store
