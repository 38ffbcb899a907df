// Changes of users and instances: all nodes go by them before they are answered, and read no more than that.
#include "store/postgres/directory_follower.h"

#include <atomic>

#include "store/postgres/testing/cluster_fixture.h"

namespace drover::store {
namespace {

using postgres::Member;
using Call = Member::Call;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class DirectoryFollowerTest : public ClusterFixture {
 protected:
  // The database is as it was before its only instance was stored.
  void put_back() {
    sql("DELETE FROM drover.instance; DELETE FROM drover.instance_change; DELETE FROM drover.instance_unit;"
        "UPDATE drover.directory SET version = version - 1, instances = 1");
  }
};

TEST_F(DirectoryFollowerTest, AChangeIsAnsweredWhenAllGoByIt) {
  join_two();
  ASSERT_TRUE(add_project(one_->store(), "settled"));
  using Done = std::function<void(bool)>;
  using Change = std::function<void(Store&, Done)>;
  const auto said = [](Done done) {
    return [done = std::move(done)](const auto& result) { done(result.has_value()); };
  };
  const std::pair<Change, std::function<bool(const Member::Directory&)>> changes[] = {
      {[&](Store& store, Done done) { store.add_project({.id = hex_id("p"), .name = "p"}, said(done)); },
       [](const Member::Directory& rows) { return rows.identity.projects.size() == 2; }},
      {[&](Store& store, Done done) { store.change_identity(change::AddToken{make_token("t")}, said(done)); },
       [](const Member::Directory& rows) { return rows.identity.tokens.size() == 1; }},
      {[&](Store& store, Done done) {
         store.put_instances({{.project = 1, .id = "a", .address = "adb://a:1"}}, said(done));
       },
       [](const Member::Directory& rows) { return rows.instances.size() == 1; }},
      {[&](Store& store, Done done) { store.remove_instance(1, said(done)); },
       [](const Member::Directory& rows) { return rows.instances.empty(); }},
  };
  std::chrono::steady_clock::duration waited{};
  for (const auto& [change, shows] : changes) {
    two_->hold(Call::kDirectory);
    std::atomic<int> answered = 0;
    change(one_->store(), [&](bool done) { answered = done ? 1 : -1; });
    ASSERT_TRUE(eventually([&] { return two_->owes(Call::kDirectory) == 1; }));
    EXPECT_TRUE(shows(two_->directory()));
    std::this_thread::sleep_for(Millis(150));
    EXPECT_EQ(answered, 0);
    const auto released = std::chrono::steady_clock::now();
    two_->release(Call::kDirectory);
    ASSERT_TRUE(eventually([&] { return answered != 0; }));
    waited += std::chrono::steady_clock::now() - released;
    EXPECT_EQ(answered, 1);
  }
  EXPECT_LT(waited, Millis(1'000)) << "no answer waits for the next pulse, which comes once a second";
}

TEST_F(DirectoryFollowerTest, OnlyWhatHasChangedIsRead) {
  join_two();
  const Instance a{.project = 1, .id = "a", .address = "adb://a:1"};
  const Instance b{.project = 1, .id = "b", .address = "adb://b:1"};
  const auto read_by_two = [&](const auto& change) {
    const std::size_t before = two_->log().size();
    change();
    const auto log = two_->log();
    return std::vector<std::string>(log.begin() + static_cast<std::ptrdiff_t>(before), log.end());
  };
  EXPECT_THAT(read_by_two([&] {
                ASSERT_TRUE(put_instances(one_->store(), {a, b}));
              }),
              ElementsAre("read +a +b"));
  EXPECT_THAT(read_by_two([&] { ASSERT_TRUE(put_instances(one_->store(), {b})); }), ElementsAre("read +b"));
  EXPECT_THAT(read_by_two([&] { ASSERT_TRUE(add_project(one_->store(), "p")); }),
              ElementsAre("read identities"));
  EXPECT_THAT(read_by_two([&] { ASSERT_TRUE(remove_instance(one_->store(), 1)); }), ElementsAre("read -a"));
  // What it has not been told of by the end of a change it is told of at once.
  two_->hold(Call::kDirectory);
  std::atomic<int> answered = 0;
  const auto count = [&](const auto& result) { answered += result ? 1 : 100; };
  one_->store().put_instances({a}, count);
  ASSERT_TRUE(eventually([&] { return two_->owes(Call::kDirectory) == 1; }));
  one_->store().remove_instance(2, count);
  one_->store().put_instances({a, b}, count);
  one_->store().change_identity(change::AddToken{make_token("t")}, count);
  ASSERT_TRUE(eventually([&] { return sql("SELECT count(*) FROM drover.token") == "1"; }));
  two_->release(Call::kDirectory);
  ASSERT_TRUE(eventually([&] { return answered == 4; }));
  EXPECT_THAT(two_->log(), Contains("read identities +a +b"));
  // Nodes come and go without anything to be read.
  EXPECT_THAT(read_by_two([&] { join("three")->close(); }),
              testing::Each(testing::Not(testing::StartsWith("read"))));
}

TEST_F(DirectoryFollowerTest, WhatChangesBetweenAPulseAndWhatItLetsReadIsReadNext) {
  join_two();
  auto held = hold_follower();
  std::atomic<int> answered = 0;
  const auto count = [&](const auto& result) { answered += result ? 1 : 100; };
  one_->store().put_instances({{.project = 1, .id = "a", .address = "adb://a:1"}}, count);
  ASSERT_TRUE(eventually([&] { return one_->times("read +a") == 1; }));
  std::this_thread::sleep_for(Millis(1'500));  // longer than it takes the other to ask for it
  one_->store().change_identity(change::AddToken{make_token("t")}, count);
  ASSERT_TRUE(eventually([&] { return sql("SELECT count(*) FROM drover.token") == "1"; }));
  EXPECT_EQ(two_->log().back(), "not alone");
  held.reset();
  ASSERT_TRUE(eventually([&] { return answered == 2; }));
  EXPECT_EQ(two_->times("read +a"), 1);
  EXPECT_EQ(two_->directory().identity.tokens.size(), 1u);
}

TEST_F(DirectoryFollowerTest, WhoIsAheadOfTheDatabaseReadsAllOnce) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"}}));
  put_back();
  const std::string all = "read identities all instances";
  ASSERT_TRUE(eventually([&] { return one_->times(all) == 1 && two_->times(all) == 1; }));
  EXPECT_TRUE(two_->directory().instances.empty());
  std::this_thread::sleep_for(Millis(1'500));
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "b", .address = "adb://b:1"}}));
  EXPECT_EQ(two_->times(all), 1);
  EXPECT_EQ(two_->times("read +b"), 1);
}

TEST_F(DirectoryFollowerTest, WhoGetsAnOlderStateThanItAskedForReadsAll) {
  join_two();
  auto held = hold_follower();
  one_->store().put_instances({{.project = 1, .id = "a", .address = "adb://a:1"}}, [](const auto&) {});
  ASSERT_TRUE(eventually([&] { return one_->times("read +a") == 1; }));
  std::this_thread::sleep_for(Millis(1'500));  // longer than it takes the other to ask for it
  put_back();                                  // while the answer is on its way
  held.reset();
  ASSERT_TRUE(eventually([&] { return two_->times("read identities all instances") == 1; }));
  EXPECT_EQ(two_->times("read +a"), 0);
  EXPECT_TRUE(two_->directory().instances.empty());
}

TEST_F(DirectoryFollowerTest, WhoIsTooFarBehindReadsAll) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "a", .address = "adb://a:1"},
                                            {.project = 1, .id = "b", .address = "adb://b:1"}}));
  two_->hold(Call::kDirectory);
  std::atomic<int> answered = 0;
  const auto count = [&](const auto& result) { answered += result ? 1 : 100; };
  one_->store().put_instances({{.project = 1, .id = "c", .address = "adb://c:1"}}, count);
  ASSERT_TRUE(eventually([&] { return two_->owes(Call::kDirectory) == 1; }));
  one_->store().remove_instance(1, count);
  ASSERT_TRUE(eventually([&] { return sql("SELECT count(*) FROM drover.instance") == "2"; }));
  // As if so much had changed since.
  sql("UPDATE drover.directory SET version = version + 20000");
  one_->store().put_instances({{.project = 1, .id = "d", .address = "adb://d:1"}}, count);
  ASSERT_TRUE(eventually([&] { return sql("SELECT count(*) FROM drover.instance_unit") == "1"; }));
  EXPECT_EQ(sql("SELECT string_agg(id, ',') FROM drover.instance_change"), "d");
  two_->release(Call::kDirectory);
  ASSERT_TRUE(eventually([&] { return answered == 3; }));
  EXPECT_THAT(two_->log(), Contains("read identities all instances"));
  std::vector<std::string> ids;
  for (const auto& [id, instance] : two_->directory().instances) ids.push_back(id);
  EXPECT_THAT(ids, ElementsAre("b", "c", "d"));
}

// Which counts here when it is answered, and may be older than what was read while it was not.
TEST_F(DirectoryFollowerTest, WhatChangedBesideAnOwnChangeIsReadAgain) {
  join_two();
  ASSERT_TRUE(put_instances(one_->store(), {{.project = 1, .id = "b", .address = "adb://b:1"}}));
  two_->hold(Call::kDirectory);
  std::promise<std::vector<std::string>> known;
  one_->store().put_instances({{.project = 1, .id = "a", .address = "adb://old:1"}},
                              [&](const auto&) { known.set_value(one_->log()); });
  ASSERT_TRUE(eventually([&] { return two_->owes(Call::kDirectory) == 1; }));
  two_->store().put_instances({{.project = 1, .id = "a", .address = "adb://new:1"}}, [](const auto&) {});
  ASSERT_TRUE(eventually([&] { return one_->directory().instances["a"].address == "adb://new:1"; }));
  two_->release(Call::kDirectory);
  const auto before = known.get_future().get();
  ASSERT_TRUE(eventually([&] { return one_->log().size() > before.size(); }));
  EXPECT_EQ(one_->log()[before.size()], "read +a");
}

}  // namespace
}  // namespace drover::store
