// Policies as roles that somebody holds.
#include <future>

#include "identity/testing/identity_fixture.h"

namespace drover::identity {
namespace {

using Verdict = Permissions::Verdict;

const std::string kBlue =
    R"({"Statement":[{"Effect":"Allow","Action":"koophone:*","Resource":"label:team=blue"}]})";
const std::string kNothingOnPhones = R"({"Statement":[{"Effect":"Deny","Action":"koophone:*"}]})";

class PoliciesTest : public IdentityTest {
 protected:
  PoliciesTest() {
    create_project("one").value();
    EXPECT_TRUE(put_policy("blue", kBlue));
    create_user("alice", {{"one", "blue"}}).value();
    secret_ = log_in("alice", "one").value().secret;
    token_ = create_token("one", "blue").value();
  }

  Verdict verdict(const std::string& secret, Action action = Action::kAsyncCommand) const {
    return identity_->authenticate(secret)->permissions.verdict(action);
  }

  std::string secret_;
  NewToken token_;
};

TEST_F(PoliciesTest, SayWhatTheirHoldersMay) {
  const Labels blue{{"team", "blue"}};
  const Labels red{{"team", "red"}};
  for (int i = 0; i < 2; ++i) {
    for (const std::string& secret : {secret_, token_.secret}) {
      const PrincipalPtr who = identity_->authenticate(secret);
      EXPECT_EQ(who->roles, std::vector<std::string>{"blue"});
      EXPECT_EQ(who->permissions.verdict(Action::kAsyncCommand), Verdict::kByInstance);
      EXPECT_TRUE(who->permissions.allows(Action::kAsyncCommand, {"phone-1", blue}));
      EXPECT_FALSE(who->permissions.allows(Action::kAsyncCommand, {"phone-1", red}));
    }
    EXPECT_TRUE(identity_->permissions("alice", "one")->allows(Action::kAsyncCommand, {"phone-1", blue}));
    EXPECT_TRUE(identity_->permissions_of_policy("blue")->allows(Action::kAsyncCommand, {"phone-1", blue}));
    EXPECT_EQ(identity_->permissions_of_policy(kReading)->verdict(Action::kReadTask), Verdict::kAllowed);
    reopen();
  }
  EXPECT_THAT(identity_->permissions("bob", "one"), FailsWith(Errc::kNotFound));
  EXPECT_THAT(identity_->permissions("alice", "two"), FailsWith(Errc::kNotFound));
  EXPECT_THAT(identity_->permissions_of_policy("red"), FailsWith(Errc::kNotFound));
}

TEST_F(PoliciesTest, AnotherTextCountsAtOnce) {
  EXPECT_EQ(verdict(secret_), Verdict::kByInstance);
  EXPECT_EQ(verdict(token_.secret), Verdict::kByInstance);
  clock_.now += 1000;
  ASSERT_TRUE(put_policy("blue", kNothingOnPhones));
  EXPECT_EQ(verdict(secret_), Verdict::kDenied);
  EXPECT_EQ(verdict(token_.secret), Verdict::kDenied);
  ASSERT_TRUE(add_grant("alice", {"one", kAllOfIt}));
  EXPECT_EQ(verdict(secret_), Verdict::kDenied) << "what denies wins";
  EXPECT_EQ(verdict(secret_, Action::kPutInstance), Verdict::kAllowed);

  const auto all = identity_->policies();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].text, kNothingOnPhones);
  EXPECT_EQ(all[0].created_ms, clock_.now - 1000) << "when the first of that name was made";
  EXPECT_EQ(identity_->policy("blue"), all[0]);
  EXPECT_EQ(identity_->policy("red"), std::nullopt);
  reopen();
  EXPECT_EQ(identity_->policies(), all);
}

TEST_F(PoliciesTest, MalformedOnesAreRefused) {
  EXPECT_THAT(put_policy("blue", "{"), FailsWith(Errc::kBadPolicy));
  EXPECT_THAT(put_policy("blue", R"({"Statement":[{"Effect":"Allow","Action":"koophon:*"}]})"),
              FailsWith(Errc::kBadPolicy));
  EXPECT_THAT(put_policy(kAllOfIt, kBlue), FailsWith(Errc::kBadName));
  EXPECT_EQ(identity_->policy("blue")->text, kBlue);
}

TEST_F(PoliciesTest, ThoseInUseStay) {
  EXPECT_THAT(remove_policy("blue"), FailsWith(Errc::kInUse));
  EXPECT_EQ(remove_policy("blue").error().message, "the policy is in use: the user alice has it");
  ASSERT_TRUE(remove_user("alice"));
  EXPECT_EQ(remove_policy("blue").error().message,
            "the policy is in use: the token " + token_.view.id + " has it");
  ASSERT_TRUE(revoke_token(token_.view.id));
  ASSERT_TRUE(remove_policy("blue"));
  EXPECT_THAT(remove_policy("blue"), FailsWith(Errc::kNotFound));
  EXPECT_THAT(remove_policy(kAllOfIt), FailsWith(Errc::kNotFound));
  EXPECT_TRUE(identity_->policies().empty());
  reopen();
  EXPECT_TRUE(identity_->policies().empty());
}

// One of the two must be refused.
TEST_F(PoliciesTest, NoneIsGivenWhileItIsRemoved) {
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(put_policy("red", kBlue));
    ASSERT_TRUE(create_user("bob", {}, {}));
    auto given = std::async(std::launch::async, [this] {
      return add_grant("bob", {"one", "red"}).has_value();
    });
    const bool removed = remove_policy("red").has_value();
    EXPECT_NE(given.get(), removed);
    EXPECT_EQ(identity_->policy("red").has_value(), !removed);
    ASSERT_TRUE(remove_user("bob"));
  }
}

// Who held a policy that cannot be read might have been denied something by it.
TEST_F(PoliciesTest, DamagedOnesDenyEverything) {
  ASSERT_TRUE(put_policy("careful", kNothingOnPhones));
  ASSERT_TRUE(add_grant("alice", {"one", kAllOfIt}));
  ASSERT_TRUE(add_grant("alice", {"one", "careful"}));
  create_user("root", {{"", kAllOfIt}}).value();
  const store::Policy damaged{"careful", R"({"Statement":[{"Effect":"Deny","Action":"koo)", 1};
  ASSERT_TRUE(
      wait<void>([&](auto done) { store_->change_identity(store::change::PutPolicy{damaged}, done); }));
  reopen();
  for (std::size_t i = 0; i < kActions; ++i)
    EXPECT_EQ(verdict(secret_, static_cast<Action>(i)), Verdict::kDenied);
  EXPECT_EQ(identity_->policy("careful")->text, damaged.text) << "to be seen";
  EXPECT_EQ(verdict(log_in("root", "one").value().secret), Verdict::kAllowed) << "nobody else suffers";
  ASSERT_TRUE(put_policy("careful", kNothingOnPhones));
  EXPECT_EQ(verdict(secret_), Verdict::kDenied);
  EXPECT_EQ(verdict(secret_, Action::kPutInstance), Verdict::kAllowed) << "mended";

  // And a role that is not there at all.
  ASSERT_TRUE(
      wait<void>([&](auto done) { store_->change_identity(store::change::RemovePolicy{"careful"}, done); }));
  reopen();
  EXPECT_EQ(verdict(secret_, Action::kPutInstance), Verdict::kDenied);
  ASSERT_TRUE(put_policy("careful", kNothingOnPhones));
  EXPECT_EQ(verdict(secret_, Action::kPutInstance), Verdict::kAllowed);
}

}  // namespace
}  // namespace drover::identity
