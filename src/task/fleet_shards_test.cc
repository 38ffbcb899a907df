// Fleets of several nodes on one PostgreSQL database: what they tell each other of links and instances.
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "store/errc.h"
#include "store/postgres/testing/nodes.h"
#include "store/postgres/testing/server.h"
#include "task/testing/cluster_node.h"
#include "task/testing/engine_fixture.h"

namespace drover::task {
namespace {

using fleet::LinkState;
using store::postgres::TestServer;

class FleetShardsTest : public testing::Test {
 protected:
  void SetUp() override {
    one_ = make("one");
    two_ = make("two");
    ASSERT_TRUE(eventually([&] { return one_->shards() == 128 && two_->shards() == 128; }));
  }

  std::unique_ptr<ClusterNode> make(const std::string& name) {
    return std::make_unique<ClusterNode>(nodes_.make(conninfo(), name));
  }
  std::string conninfo() const { return TestServer::shared().conninfo(database_); }
  std::string sql(const std::string& text) { return TestServer::shared().execute(database_, text); }

  // Where nothing listens: their links come to be offline once, and stay so.
  static std::vector<store::Instance> unreachable(std::size_t count) {
    std::vector<store::Instance> instances;
    for (std::size_t i = 0; i < count; ++i)
      instances.push_back(
          {.project = kProject, .id = "p" + std::to_string(i), .address = "adb://127.0.0.1:1"});
    return instances;
  }

  // Nothing: no answer.
  using States = std::optional<std::vector<std::optional<LinkState>>>;
  static States look_up(ClusterNode& node, std::vector<std::string> ids, Seconds patience = Seconds(30)) {
    const auto answer = std::make_shared<std::promise<States>>();
    auto states = answer->get_future();
    node.fleet().look_up(kProject, std::move(ids), [answer](auto all) {
      EXPECT_TRUE(all) << all.error().message;
      answer->set_value(all ? States(*std::move(all)) : std::nullopt);
    });
    if (states.wait_for(patience) != std::future_status::ready) return std::nullopt;
    return states.get();
  }
  static std::size_t offline(ClusterNode& node) {
    std::promise<std::size_t> answer;
    node.fleet().list(kProject, [&](const Result<std::vector<fleet::PhoneView>>& views) {
      answer.set_value(static_cast<std::size_t>(std::ranges::count(
          views.value(), LinkState::kOffline, [](const auto& view) { return view.state; })));
    });
    return answer.get_future().get();
  }

  static std::string known(ClusterNode& node) {
    std::promise<std::string> answer;
    node.fleet().list(kProject, [&](const Result<std::vector<fleet::PhoneView>>& views) {
      std::string text;
      for (const fleet::PhoneView& view : views.value())
        text += (text.empty() ? "" : ", ") + view.id + " " + view.address;
      answer.set_value(std::move(text));
    });
    return answer.get_future().get();
  }

  const std::string database_ = TestServer::shared().create_database();
  store::postgres::Nodes nodes_;
  std::unique_ptr<ClusterNode> one_;
  std::unique_ptr<ClusterNode> two_;
};

// Locked, so that who reads it gets no answer.
class LockedStates {
 public:
  explicit LockedStates(const std::string& conninfo) : connection_(PQconnectdb(conninfo.c_str()), PQfinish) {
    for (const char* text : {"BEGIN", "LOCK TABLE drover.phone_state"}) {
      const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_.get(), text), PQclear);
      EXPECT_EQ(PQresultStatus(result.get()), PGRES_COMMAND_OK) << PQerrorMessage(connection_.get());
    }
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

TEST_F(FleetShardsTest, OnlyStatesOfOthersPhonesAreAskedFor) {
  one_->add(unreachable(40));
  ASSERT_TRUE(eventually([&] { return offline(*one_) == 40 && offline(*two_) == 40; }));
  const std::vector<std::string> ones = one_->mine();
  const std::vector<std::string> twos = two_->mine();
  using testing::Each;
  using testing::Eq;
  using testing::Optional;
  EXPECT_THAT(look_up(*one_, twos), Optional(Each(Eq(LinkState::kOffline))));
  {
    const LockedStates locked(conninfo());
    EXPECT_THAT(look_up(*one_, ones, Seconds(5)), Optional(Each(Eq(LinkState::kOffline))));
    EXPECT_THAT(look_up(*one_, {"nobody"}, Seconds(5)), Optional(Each(Eq(std::nullopt))));
    EXPECT_FALSE(look_up(*one_, {twos[0]}, Seconds(1)));
  }
  EXPECT_TRUE(look_up(*one_, {twos[0]}));
}

TEST_F(FleetShardsTest, WhatCannotBeReadOfOthersPhonesIsNotMadeUp) {
  one_->add(unreachable(40));
  ASSERT_TRUE(eventually([&] { return offline(*one_) == 40 && offline(*two_) == 40; }));
  const std::vector<std::string> ones = one_->mine();
  sql("ALTER TABLE drover.phone_state RENAME COLUMN why TO gone");
  const auto failure_of = [](auto ask) {
    std::promise<std::error_code> answer;
    ask([&](const auto& all) { answer.set_value(all ? std::error_code() : all.error().code); });
    return answer.get_future().get();
  };
  EXPECT_EQ(failure_of([&](auto done) { one_->fleet().list(kProject, done); }), store::Errc::kUnavailable);
  EXPECT_EQ(failure_of([&](auto done) { one_->fleet().look_up(kProject, two_->mine(), done); }),
            store::Errc::kUnavailable);
  EXPECT_FALSE(failure_of([&](auto done) { one_->fleet().look_up(kProject, ones, done); }));
  sql("ALTER TABLE drover.phone_state RENAME COLUMN gone TO why");
  EXPECT_EQ(offline(*one_), 40u);
}

TEST_F(FleetShardsTest, StatesThatCouldNotBeStoredAreToldAgain) {
  sql("CREATE SEQUENCE refusals; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN"
      " PERFORM nextval('refusals'); RAISE EXCEPTION 'full'; END $fn$;"
      "CREATE TRIGGER refuse BEFORE INSERT ON drover.phone_state FOR EACH ROW EXECUTE FUNCTION refuse()");
  one_->add(unreachable(40));
  const auto refused = [&] { return std::stoi(sql("SELECT last_value FROM refusals")); };
  ASSERT_TRUE(eventually([&] { return offline(*one_) == one_->mine().size() && refused() >= 2; }));
  std::this_thread::sleep_for(Millis(1'500));
  sql("DROP TRIGGER refuse ON drover.phone_state");
  EXPECT_TRUE(eventually([&] { return offline(*one_) == 40 && offline(*two_) == 40; }));
}

TEST_F(FleetShardsTest, ManyStatesAreToldInParts) {
  constexpr std::size_t kMany = 9'000;
  sql("CREATE TABLE told(rows bigint); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN"
      " INSERT INTO told SELECT count(*) FROM added; RETURN NULL; END $fn$;"
      "CREATE TRIGGER note AFTER INSERT ON drover.phone_state REFERENCING NEW TABLE AS added"
      " FOR EACH STATEMENT EXECUTE FUNCTION note()");
  one_ = nullptr;
  ASSERT_TRUE(eventually([&] { return two_->shards() == store::kShards; }));
  two_->add(unreachable(kMany));
  ASSERT_TRUE(eventually([&] { return offline(*two_) == kMany; }));
  // It told nobody while it was alone, and tells the next node of all at once.
  EXPECT_EQ(sql("SELECT count(*) FROM told"), "0");
  one_ = make("one");
  const auto stored = [&] { return sql("SELECT count(*) FROM drover.phone_state"); };
  ASSERT_TRUE(eventually([&] { return std::stoul(stored()) > kMany / 2; })) << stored();
  EXPECT_EQ(sql("SELECT max(rows) FROM told"), "2000");
  ASSERT_TRUE(eventually([&] { return offline(*one_) == kMany; }));
}

TEST_F(FleetShardsTest, AllKnowTheSameWhoeverChangesInstances) {
  const auto three = make("three");
  const std::vector<ClusterNode*> nodes{one_.get(), two_.get(), three.get()};
  std::vector<std::thread> threads;
  std::atomic<int> under_way = 0;
  for (ClusterNode* node : nodes) {
    threads.emplace_back([&under_way, node, seed = threads.size()] {
      std::minstd_rand random(static_cast<unsigned>(seed) + 1);
      for (int i = 0; i < 400; ++i) {
        // Some at once, so that they overtake each other on their way to the others.
        while (under_way > 12) std::this_thread::sleep_for(Millis(1));
        ++under_way;
        const std::string id = "p" + std::to_string(random() % 10);
        const auto done = [&under_way](const Result<>&) { --under_way; };
        if (random() % 3 == 0) {
          node->fleet().remove(kProject, id, done);
        } else {
          const std::string address = "adb://127.0.0.1:" + std::to_string(1 + random() % 9);
          node->fleet().put({{.project = kProject, .id = id, .address = address}}, done);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(eventually([&] { return under_way == 0; }));
  const std::string stored =
      sql("SELECT string_agg(id || ' ' || address, ', ' ORDER BY id) FROM drover.instance");
  for (ClusterNode* node : nodes)
    EXPECT_TRUE(eventually([&] { return known(*node) == stored; })) << known(*node);
  EXPECT_NE(stored, "");
}

}  // namespace
}  // namespace drover::task
