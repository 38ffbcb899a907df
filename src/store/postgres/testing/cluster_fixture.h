// For tests: nodes without an engine on one database.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/cluster.h"
#include "store/postgres/testing/held_backend.h"
#include "store/postgres/testing/member.h"
#include "store/postgres/testing/nodes.h"
#include "store/postgres/testing/server.h"
#include "store/postgres/testing/session.h"
#include "store/testing/store_calls.h"

namespace drover::store {

class ClusterFixture : public testing::Test {
 protected:
  void use(postgres::TestServer& server) {
    server_ = &server;
    database_ = server.create_database();
  }
  void SetUp() override { use(postgres::TestServer::shared()); }

  std::unique_ptr<postgres::Member> make(const std::string& name) {
    return std::make_unique<postgres::Member>(nodes_.make(server_->conninfo(database_), name), owners_);
  }
  std::unique_ptr<postgres::Member> join(const std::string& name) {
    auto member = make(name);
    const auto joined = member->join();
    EXPECT_TRUE(joined) << joined.error().message;
    return member;
  }
  // Two that have as many shards each, and nothing under way.
  void join_two() {
    one_ = join("one");
    two_ = join("two");
    ASSERT_TRUE(eventually([&] { return one_->shards().count() == 128 && two_->shards().count() == 128; }));
    EXPECT_EQ(two_->times("wanted"), 0) << "none was given in vain";
  }

  // Keeps what `sql` locks for as long as it lives.
  std::unique_ptr<postgres::Session> hold(const std::string& sql) {
    auto session = std::make_unique<postgres::Session>(server_->conninfo(database_));
    session->run("BEGIN; " + sql);
    return session;
  }
  std::string sql(const std::string& text) { return server_->execute(database_, text); }
  // The node that joined last reads nothing of what others change.
  std::unique_ptr<postgres::HeldBackend> hold_follower() {
    return std::make_unique<postgres::HeldBackend>(
        std::stoi(sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                      " AND application_name = 'drover follower' ORDER BY backend_start DESC LIMIT 1")));
  }
  void bury(const std::string& name) {
    sql("SELECT drover.bury(epoch) FROM drover.node WHERE name = '" + name + "'");
  }

  std::string epoch_of(const std::string& name) {
    return sql("SELECT epoch FROM drover.node WHERE name = '" + name + "'");
  }
  // As what keeps a node from renewing it.
  std::string lock_lease(const std::string& name) {
    return "SELECT 1 FROM drover.lease WHERE epoch = " + epoch_of(name) + " FOR UPDATE";
  }

  // Until `done` holds, or for half a minute.
  template <typename Done>
  static bool eventually(Done done) {
    for (int i = 0; i < 6'000; ++i) {
      if (done()) return true;
      std::this_thread::sleep_for(Millis(5));
    }
    return false;
  }

  static std::string phone_in(const ShardSet& shards) {
    for (int i = 0;; ++i) {
      std::string id = "phone-" + std::to_string(i);
      if (shards[shard_of(1, id)]) return id;
    }
  }
  static Task task_for(std::int64_t seq, std::vector<std::string> targets) {
    Task task = make_task(seq, 0);
    task.targets = std::move(targets);
    return task;
  }
  // As one whose own shards are not among `others` accepts it.
  static WriteBatch accept_for(const Task& task, const ShardSet& others) {
    WriteBatch batch = accept(task);
    ShardSet elsewhere;
    for (const std::string& target : task.targets) elsewhere.set(shard_of(1, target));
    batch.elsewhere.push_back({task.seq, elsewhere & others});
    return batch;
  }
  // This job has ended, and with it all that its node has of the task.
  static WriteBatch end_of(const Task& task, std::uint32_t job) {
    WriteBatch batch;
    batch.ended.push_back({{task.seq, job}, success(), task.id});
    batch.parted.push_back({task.seq, task.created_ms + 9, task.id});
    return batch;
  }
  // Likewise, and no other node has any of it.
  static WriteBatch finish_of(const Task& task) {
    WriteBatch batch;
    batch.ended.push_back({{task.seq, 0}, success(), task.id});
    batch.finished.push_back({task.seq, task.created_ms + 9, task.id});
    return batch;
  }
  static std::vector<std::int64_t> draw(postgres::Member& member, std::uint32_t count) {
    auto drawn = wait_for<Result<std::vector<std::int64_t>>>(
        [&](auto done) { member.cluster().number_tasks(count, done); });
    EXPECT_TRUE(drawn) << drawn.error().message;
    return drawn ? *drawn : std::vector<std::int64_t>();
  }
  static Result<> cancel(postgres::Member& member, std::int64_t task) {
    return wait_for<Result<>>([&](auto done) { member.cluster().cancel_task(task, done); });
  }
  static Result<> put_states(postgres::Member& member, std::vector<PhoneState> states) {
    return wait_for<Result<>>([&](auto done) { member.cluster().put_phone_states(std::move(states), done); });
  }
  static std::vector<PhoneState> read_states(postgres::Member& member, std::vector<std::int64_t> instances) {
    const auto states = wait_for<Result<std::vector<PhoneState>>>(
        [&](auto done) { member.cluster().read_phone_states(std::move(instances), done); });
    EXPECT_TRUE(states) << states.error().message;
    return states ? *states : std::vector<PhoneState>();
  }
  // Somebody waits for this advisory lock.
  bool waits(const std::string& lock) {
    return sql("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = " +
               lock) == "t";
  }
  static double skew_in(const prometheus::Registry& registry) {
    for (const auto& family : registry.Collect())
      if (family.name == "drover_clock_skew_seconds") return family.metric.at(0).gauge.value;
    return 0;
  }
  static bool finished(postgres::Member& member, const Task& task) {
    const auto record = read_task(member.store(), task.id);
    return record && *record && (*record)->task.finished_ms != 0;
  }

  postgres::Nodes nodes_;
  postgres::Owners owners_;
  postgres::TestServer* server_ = nullptr;
  std::string database_;
  std::unique_ptr<postgres::Member> one_;
  std::unique_ptr<postgres::Member> two_;
};

}  // namespace drover::store
