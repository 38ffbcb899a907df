// Users, their roles, and the first of them.
#include <future>
#include <thread>

#include "identity/testing/identity_fixture.h"

namespace drover::identity {
namespace {

using testing::ElementsAre;

class UsersTest : public IdentityTest {
 protected:
  UsersTest() { one_ = create_project("one").value(); }
  store::Project one_;
};

TEST_F(UsersTest, AreShownAsTheyWereMade) {
  const auto bob = create_user("bob", {{one_.id, kReading}, {"", kAllOfIt}, {"one", kReading}}).value();
  clock_.now += 5;
  const auto alice = create_user("alice", {}, {}).value();
  EXPECT_EQ(bob.id.size(), 32u);
  EXPECT_NE(bob.id, alice.id);
  EXPECT_TRUE(bob.has_password);
  EXPECT_FALSE(alice.has_password);
  EXPECT_TRUE(bob.enabled);
  EXPECT_EQ(alice.created_ms, bob.created_ms + 5);
  for (int i = 0; i < 2; ++i) {
    const auto all = identity_->users();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].name, "alice");
    EXPECT_EQ(all[1].name, "bob");
    EXPECT_EQ(all[1].id, bob.id);
    EXPECT_THAT(all[1].grants, ElementsAre(GrantView{"", kAllOfIt}, GrantView{"one", kReading}));
    EXPECT_EQ(identity_->user("bob")->id, bob.id);
    EXPECT_EQ(identity_->user(bob.id)->name, "bob");
    EXPECT_EQ(identity_->user("carol"), std::nullopt);
    EXPECT_EQ(identity_->user(""), std::nullopt);
    reopen();
  }
}

TEST_F(UsersTest, WhatIsWrongIsSaid) {
  create_user("alice").value();
  EXPECT_THAT(create_user("alice"), FailsWith(store::Errc::kExists));
  EXPECT_THAT(create_user("bob", {}, "1234567"), FailsWith(Errc::kBadPassword));
  EXPECT_THAT(create_user("bob", {}, std::string(257, 'x')), FailsWith(Errc::kBadPassword));
  EXPECT_EQ(create_user("bob", {{"two", kAllOfIt}}).error().message, "no such project: two");
  EXPECT_EQ(create_user("bob", {{"one", "none"}}).error().message, "no such role: none");
  EXPECT_THAT(change_user("bob", {}), FailsWith(Errc::kNotFound));
  EXPECT_THAT(change_user("alice", {.password = "short", .enabled = {}}), FailsWith(Errc::kBadPassword));
  EXPECT_THAT(change_user("alice", {.password = "", .enabled = {}}), FailsWith(Errc::kBadPassword));
  EXPECT_THAT(remove_user("bob"), FailsWith(Errc::kNotFound));
  EXPECT_THAT(add_grant("bob", {"one", kAllOfIt}), FailsWith(Errc::kNotFound));
  EXPECT_THAT(add_grant("alice", {"two", kAllOfIt}), FailsWith(Errc::kNotFound));
  EXPECT_THAT(add_grant("alice", {"one", "none"}), FailsWith(Errc::kNotFound));
  EXPECT_THAT(remove_grant("alice", {"one", kAllOfIt}), FailsWith(Errc::kNotFound));
  EXPECT_THAT(remove_grant("alice", {"two", kAllOfIt}), FailsWith(Errc::kNotFound));
  EXPECT_THAT(remove_grant("bob", {"one", kAllOfIt}), FailsWith(Errc::kNotFound));
  ASSERT_TRUE(add_grant("alice", {"one", kAllOfIt}));
  EXPECT_THAT(add_grant("alice", {one_.id, kAllOfIt}), FailsWith(store::Errc::kExists));
  EXPECT_EQ(identity_->users().size(), 1u);
}

TEST_F(UsersTest, GrantsCountAtOnceAndOutliveARestart) {
  create_user("alice").value();
  const auto key = create_key("alice").value();
  EXPECT_THAT(log_in("alice", "one"), FailsWith(Errc::kBadCredentials));
  EXPECT_THAT(add_grant("alice", {"one", kReading})->grants, ElementsAre(GrantView{"one", kReading}));
  const std::string secret = log_in("alice", "one").value().secret;
  const auto roles = [&] { return identity_->authenticate(secret)->roles; };
  EXPECT_THAT(roles(), ElementsAre(kReading));
  ASSERT_TRUE(add_grant("alice", {"", kAllOfIt}));
  EXPECT_THAT(roles(), ElementsAre(kAllOfIt, kReading));
  EXPECT_TRUE(identity_->authenticate(secret)->node_admin);
  ASSERT_TRUE(remove_grant("alice", {"", kAllOfIt}));
  EXPECT_THAT(roles(), ElementsAre(kReading));
  EXPECT_FALSE(identity_->authenticate(secret)->node_admin);
  EXPECT_EQ(identity_->authenticate(secret)->permissions.verdict(Action::kAsyncCommand),
            Permissions::Verdict::kDenied);
  reopen();
  EXPECT_THAT(roles(), ElementsAre(kReading));
  EXPECT_EQ(identity_->projects_of("alice"), std::vector{one_});
  EXPECT_EQ(identity_->projects_of(identity_->user("alice")->id), std::vector{one_});
  EXPECT_TRUE(identity_->projects_of("bob").empty());
}

TEST_F(UsersTest, RemovedUserLeavesNothing) {
  create_user("alice", {{"one", kAllOfIt}}).value();
  create_key("alice", "HERS", "a-very-secret-secret").value();
  ASSERT_TRUE(remove_user("alice"));
  EXPECT_TRUE(identity_->users().empty());
  EXPECT_TRUE(identity_->keys("").empty());
  EXPECT_TRUE(identity_->keys("alice").empty());
  reopen();
  EXPECT_TRUE(identity_->users().empty());
  EXPECT_TRUE(identity_->keys("").empty());
  EXPECT_TRUE(store_->identity_rows()->grants.empty());
  const auto again = create_user("alice").value();
  EXPECT_TRUE(again.grants.empty());
  EXPECT_TRUE(create_key("alice", "HERS", "another-secret-secret"));
}

TEST_F(UsersTest, OfManyOfOneNameOneIsMade) {
  std::vector<std::future<bool>> answers;
  answers.reserve(4);
  for (int i = 0; i < 4; ++i) {
    answers.push_back(std::async(std::launch::async, [this] {
      const auto made = create_user("alice");
      EXPECT_TRUE(made || made.error().code == store::Errc::kExists);
      return made.has_value();
    }));
  }
  int made = 0;
  for (auto& answer : answers) made += answer.get();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(identity_->users().size(), 1u);
}

// Neither takes back what the other changed, though the second is asked for before the first is stored.
TEST_F(UsersTest, ChangesAtOnceAreBothMade) {
  create_user("alice", {{"one", kAllOfIt}}).value();
  std::promise<bool> password, disabled;
  {
    store::HeldWriter held(*store_);
    identity_->change_user("alice", {.password = {}, .enabled = false},
                           [&](const Result<UserView>& user) { disabled.set_value(user.has_value()); });
    identity_->change_user("alice", {.password = "another password", .enabled = {}},
                           [&](const Result<UserView>& user) { password.set_value(user.has_value()); });
    // Passwords are hashed in turn, so by now the other one is.
    EXPECT_THAT(create_user("bob", {}, "short"), FailsWith(Errc::kBadPassword));
  }
  EXPECT_TRUE(disabled.get_future().get());
  EXPECT_TRUE(password.get_future().get());
  EXPECT_FALSE(identity_->user("alice")->enabled);
  ASSERT_TRUE(change_user("alice", {.password = {}, .enabled = true}));
  EXPECT_TRUE(log_in("alice", "one", "another password"));
  EXPECT_FALSE(log_in("alice", "one"));
}

TEST_F(UsersTest, FirstAdministratorIsMadeOnce) {
  const auto first = identity_->make_first_administrator().value();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->name, "admin");
  EXPECT_GE(first->password.size(), 16u);
  const PrincipalPtr who = identity_->authenticate(log_in("admin", "one", first->password).value().secret);
  EXPECT_TRUE(who->node_admin);
  EXPECT_EQ(identity_->make_first_administrator().value(), std::nullopt);
  reopen();
  EXPECT_EQ(identity_->make_first_administrator().value(), std::nullopt);
  EXPECT_EQ(identity_->users().size(), 1u);
}

TEST_F(UsersTest, FirstAdministratorWithAGivenPassword) {
  EXPECT_THAT(identity_->make_first_administrator("short"), FailsWith(Errc::kBadPassword));
  const auto first = identity_->make_first_administrator(kPassword).value();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->password, "");
  EXPECT_TRUE(log_in("admin"));
}

}  // namespace
}  // namespace drover::identity
