// Nodes that were away, or can do only half of what they should: who keeps its shards, and when it is
// trusted.
#include "store/postgres/lease.h"

#include "store/postgres/testing/cluster_fixture.h"
#include "store/postgres/testing/held_commits.h"

namespace drover::store {
namespace {

using postgres::HeldCommits;
using postgres::Member;
using postgres::TestServer;
using Call = Member::Call;
using LeaseTest = ClusterFixture;

// All leases have ended meanwhile, and who comes back first does not know who else is alive.
TEST_F(LeaseTest, WhoComesBackFromAnOutageBuriesNobody) {
  TestServer own;
  use(own);
  join_two();
  {
    HeldWriter silent(two_->store());
    own.freeze();
    std::this_thread::sleep_for(Millis(6'000));
    EXPECT_FALSE(one_->cluster().trusted());
    own.thaw();
    ASSERT_TRUE(eventually([&] { return one_->cluster().trusted(); }));
    std::this_thread::sleep_for(Millis(500));
  }
  EXPECT_TRUE(write(two_->store(), accept(task_for(7, {"a"}))));
  EXPECT_EQ(two_->times("fenced"), 0);
  EXPECT_TRUE(eventually([&] { return two_->cluster().trusted(); }));
  one_.reset();
  two_.reset();
}

// Its pulse gets answers, but a server process of its own that nobody has noticed keeps its writes waiting.
TEST_F(LeaseTest, WhoStoresNothingLosesItsShards) {
  join_two();
  const std::string epoch = epoch_of("one");
  const auto stuck = hold("SET application_name = 'drover writer " + epoch +
                          "'; SELECT 1 FROM drover.node WHERE epoch = " + epoch + " FOR UPDATE");
  std::promise<void> answered;
  one_->store().write(accept(task_for(7, {"a"})), [&](const Result<>& stored, const WriteBatch&) {
    EXPECT_FALSE(stored);
    answered.set_value();
  });
  EXPECT_TRUE(eventually([&] { return !one_->cluster().trusted(); }));
  EXPECT_TRUE(two_->cluster().trusted());
  one_->vanish();
  EXPECT_TRUE(eventually([&] { return two_->shards().all(); }));
  answered.get_future().wait();
  // Its connection was cut: for a moment it only knows that.
  EXPECT_TRUE(eventually([&] {
    const auto again = write(one_->store(), accept(task_for(8, {"a"})));
    EXPECT_FALSE(again);
    return !again && again.error().code == Errc::kFenced;
  }));
  EXPECT_TRUE(eventually([&] { return one_->times("fenced") == 1; }));
  EXPECT_EQ(two_->times("fenced"), 0);
}

TEST_F(LeaseTest, WhoStoresAgainKeepsItsShards) {
  join_two();
  const ShardSet before = one_->shards();
  std::promise<Result<>> stored;
  {
    const auto slow = hold("SELECT 1 FROM drover.node WHERE name = 'one' FOR UPDATE");
    one_->store().write(accept(task_for(7, {"a"})),
                        [&](const Result<>& result, const WriteBatch&) { stored.set_value(result); });
    std::this_thread::sleep_for(Millis(7'000));
    EXPECT_TRUE(one_->cluster().trusted());
  }
  EXPECT_TRUE(stored.get_future().get());
  std::this_thread::sleep_for(Millis(4'000));
  EXPECT_TRUE(one_->cluster().trusted());
  EXPECT_EQ(one_->shards(), before);
}

TEST_F(LeaseTest, WhoWasAwayGoesByWhatHasChangedBeforeItIsTrusted) {
  one_ = join("one");
  one_->hold(Call::kDirectory);
  {
    const auto away = hold("SELECT 1 FROM drover.lease FOR UPDATE");
    ASSERT_TRUE(eventually([&] { return !one_->cluster().trusted(); }));
    sql("SELECT drover.count_change(true, false)");
  }
  ASSERT_TRUE(eventually([&] { return one_->owes(Call::kDirectory) == 1; }));
  std::this_thread::sleep_for(Millis(1'500));
  EXPECT_FALSE(one_->cluster().trusted());
  one_->release(Call::kDirectory);
  EXPECT_TRUE(eventually([&] { return one_->cluster().trusted(); }));
}

// Until others see that its lease is renewed they change things without waiting for it.
TEST_F(LeaseTest, WhoIsBackGoesByWhatChangedUntilOthersSawIt) {
  join_two();
  auto away_one = hold(lock_lease("one"));
  {
    const auto away_two = hold(lock_lease("two"));
    ASSERT_TRUE(eventually([&] { return !one_->cluster().trusted() && !two_->cluster().trusted(); }));
    std::this_thread::sleep_for(Millis(1'500));  // and their leases are over
  }
  ASSERT_TRUE(eventually([&] { return two_->cluster().trusted(); }));
  one_->hold(Call::kDirectory);
  HeldCommits held(server_->conninfo(database_), "drover.lease", "NEW.epoch = " + epoch_of("one"));
  away_one.reset();
  ASSERT_TRUE(eventually([&] { return waits("1"); }));
  ASSERT_TRUE(put_instances(two_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"}}));
  held.release();
  ASSERT_TRUE(eventually([&] { return one_->owes(Call::kDirectory) == 1 || one_->cluster().trusted(); }));
  std::this_thread::sleep_for(Millis(500));
  EXPECT_FALSE(one_->cluster().trusted());
  one_->release(Call::kDirectory);
  EXPECT_TRUE(eventually([&] { return one_->cluster().trusted(); }));
}

TEST_F(LeaseTest, WhoCannotReadWhatHasChangedLosesItsShards) {
  join_two();
  {
    const auto away = hold("SELECT 1 FROM drover.lease FOR UPDATE");
    ASSERT_TRUE(eventually([&] { return !one_->cluster().trusted() && !two_->cluster().trusted(); }));
    one_->hold(Call::kDirectory);
    sql("SELECT drover.count_change(true, false)");
  }
  ASSERT_TRUE(eventually([&] { return two_->cluster().trusted(); }));
  one_->vanish();
  EXPECT_TRUE(eventually([&] { return two_->shards().all(); }));
  EXPECT_TRUE(eventually([&] { return one_->times("fenced") == 1; }));
  EXPECT_EQ(two_->times("fenced"), 0);
  one_->release(Call::kDirectory);
}

// As it seems for a moment when the database's clock is set forward.
TEST_F(LeaseTest, WhoseLeaseSeemsOverButIsRenewedIsNotBuried) {
  join_two();
  sql("CREATE FUNCTION drover.forward() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN"
      " NEW.expires_at := NEW.expires_at - interval '1 hour'; RETURN NEW; END $fn$");
  sql("CREATE TRIGGER forward BEFORE UPDATE ON drover.lease FOR EACH ROW WHEN (NEW.epoch = " +
      epoch_of("two") + ") EXECUTE FUNCTION drover.forward()");
  std::this_thread::sleep_for(Millis(7'000));
  EXPECT_EQ(two_->times("fenced"), 0);
  EXPECT_TRUE(two_->cluster().trusted());
  EXPECT_EQ(one_->shards().count(), 128u);
}

// Its lease and its writes are as they should be.
TEST_F(LeaseTest, WhoGoesByNoChangesIsNotTrustedWhenOneIsAnswered) {
  join_two();
  const auto held = hold_follower();
  std::promise<bool> trusted_when_answered;
  one_->store().put_instances({{.project = 1, .id = "a", .address = "adb://a:1"}}, [&](const auto&) {
    trusted_when_answered.set_value(two_->cluster().trusted());
  });
  EXPECT_TRUE(eventually([&] { return !two_->cluster().trusted(); }));
  two_->vanish();
  EXPECT_FALSE(trusted_when_answered.get_future().get());
  EXPECT_TRUE(eventually([&] { return one_->shards().all(); }));
  EXPECT_TRUE(eventually([&] { return two_->times("fenced") == 1; }));
}

// It does not renew its lease meanwhile, so it cannot bury who is in its way.
TEST_F(LeaseTest, WhoWaitsForADeadNodesLocksCutsItOff) {
  join_two();
  const auto begun = std::chrono::steady_clock::now();
  const auto stuck = hold("SET application_name = 'drover writer " + epoch_of("one") +
                          "'; SELECT 1 FROM drover.directory FOR UPDATE");
  std::promise<Result<>> stored;
  two_->store().put_instances({{.project = 1, .id = "a", .address = "adb://a:1"}}, [&](const auto& result) {
    stored.set_value(result ? Result<>() : tl::make_unexpected(result.error()));
  });
  std::this_thread::sleep_for(Millis(1'500));
  const auto away = hold(lock_lease("one"));
  const Result<> result = stored.get_future().get();
  EXPECT_TRUE(result) << result.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - begun, Millis(9'500)) << "it did not wait for the lock's end";
}

// What others accept would be too old for it at once, or seem to come from the future.
TEST_F(LeaseTest, WhoseClockIsWrongDoesNotServeBesideOthers) {
  class Ahead final : public Clock {
   public:
    std::int64_t unix_ms() const override { return Clock::unix_ms() + 600'000; }
  } ahead;
  prometheus::Registry registry;
  const PostgresOptions options = nodes_.make(server_->conninfo(database_), "ahead");
  std::string id;
  {
    auto alone = open_postgres(options, ahead, registry);
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_TRUE(eventually([&] { return std::abs(skew_in(registry) - 600) < 1; }));
    id = sql("SELECT id FROM drover.node");
    (*alone)->close();
  }
  // When it was killed, the lease that it has left behind is not another's.
  sql("INSERT INTO drover.node VALUES(7, '" + id + "', 'ahead')");
  sql("INSERT INTO drover.lease(epoch, expires_at, seen) VALUES(7, now() + interval '1 minute', 1)");
  {
    auto again = open_postgres(options, ahead, registry);
    ASSERT_TRUE(again) << again.error().message;
    (*again)->close();
  }
  one_ = join("one");
  const auto refused = open_postgres(options, ahead, registry);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kWrongClock);
  EXPECT_THAT(refused.error().message, testing::ContainsRegex("(599|600)[.][0-9] s ahead of"));
  EXPECT_EQ(sql("SELECT count(*) FROM drover.node"), "1");
}

}  // namespace
}  // namespace drover::store
