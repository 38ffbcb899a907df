// Access keys, and requests signed with them.
#include <future>
#include <set>

#include "identity/sealed_key.h"
#include "identity/testing/identity_fixture.h"
#include "identity/testing/signer.h"

namespace drover::identity {
namespace {

const std::string kSecret = "a-very-secret-secret";

class KeysTest : public IdentityTest {
 protected:
  KeysTest() {
    one_ = create_project("one").value();
    two_ = create_project("two", {}, true).value();
    create_user("alice", {{"one", kAllOfIt}}).value();
    create_key("alice", "HERS", kSecret).value();
  }

  Result<PrincipalPtr> ask(const Signed& sent, const std::string& project = {}) const {
    return identity_->authenticate(sent.request(), sent.authorization, project);
  }
  Result<PrincipalPtr> ask(const std::string& project = {}) const {
    return ask(Signed("HERS", kSecret, clock_.now), project);
  }

  store::Project one_;
  store::Project two_;
};

TEST_F(KeysTest, SignedRequestIsItsUsers) {
  const auto who = ask("one").value();
  EXPECT_EQ(who->project, one_.seq);
  EXPECT_EQ(who->user_name, "alice");
  EXPECT_EQ(who->actor, "key:HERS of user:alice");
  EXPECT_EQ(who->limit_key, who->user);
  EXPECT_EQ(who->permissions.verdict(Action::kAsyncCommand), Permissions::Verdict::kAllowed);
  EXPECT_EQ(ask(one_.id).value(), who) << "made once";
  EXPECT_EQ(ask().value(), who) << "the only project";
  reopen();
  EXPECT_EQ(ask("one").value()->actor, who->actor);
}

// Another node has removed the user or the project when the answer comes; both are stored in one commit here.
TEST_F(KeysTest, WhatIsMadeForWhoIsGoneIsNotFound) {
  store::IdentityRows rows = store_->identity_rows().value();
  rows.users.clear();
  rows.projects.clear();
  const auto make = [&](const auto& create) {
    std::promise<void> begun;
    std::promise<void> go_on;
    store_->change_identity(store::change::RemoveToken{"none"}, [&](const auto&) {
      begun.set_value();
      go_on.get_future().wait();
    });
    begun.get_future().wait();
    store_->change_identity(store::change::RemoveToken{"none"},
                            [&](const auto&) { identity_->reload(rows); });
    std::promise<std::error_code> answer;
    create([&](const auto& made) { answer.set_value(made ? std::error_code() : made.error().code); });
    go_on.set_value();
    const std::error_code code = answer.get_future().get();
    reopen();
    return code;
  };
  EXPECT_EQ(make([&](auto done) { identity_->create_key("alice", "OTHER", kSecret, done); }),
            Errc::kNotFound);
  EXPECT_EQ(make([&](auto done) { identity_->create_token("two", kReading, Seconds(60), done); }),
            Errc::kNotFound);
}

TEST_F(KeysTest, WhichProjectFollowsFromTheRoles) {
  // Who it is has been shown all the same, which the audit log and the rates need.
  EXPECT_EQ(ask("two").value()->project, 0);
  EXPECT_EQ(ask("none").value(), ask("two").value()) << "nobody learns whether it is there";
  EXPECT_EQ(ask("two").value()->actor, "key:HERS of user:alice");
  ASSERT_TRUE(add_grant("alice", {"two", kReading}));
  EXPECT_EQ(ask("two").value()->project, two_.seq);
  EXPECT_TRUE(ask("two").value()->koophone_commands_only);
  const auto nowhere = ask().value();
  EXPECT_EQ(nowhere->project, 0);
  EXPECT_EQ(nowhere->user_name, "alice");
  EXPECT_EQ(nowhere->permissions.verdict(Action::kReadTask), Permissions::Verdict::kDenied);
  ASSERT_TRUE(remove_grant("alice", {"one", kAllOfIt}));
  EXPECT_EQ(ask("one").value()->project, 0);
  EXPECT_EQ(ask().value()->project, two_.seq);
  ASSERT_TRUE(remove_grant("alice", {"two", kReading}));
  EXPECT_EQ(ask().value()->project, 0);
}

TEST_F(KeysTest, NobodyElseIsLetIn) {
  const std::string bad_signature = make_error_code(Errc::kBadSignature).message();
  ASSERT_TRUE(create_user("bob", {{"one", kAllOfIt}}));
  ASSERT_TRUE(create_key("bob", "HIS", kSecret));
  ASSERT_TRUE(change_user("bob", {.password = {}, .enabled = false}));
  for (const Signed& sent : {Signed("HERS", "another secret", clock_.now),
                             Signed("NONE", kSecret, clock_.now), Signed("HIS", kSecret, clock_.now)}) {
    for (const char* project : {"one", "two", ""}) {
      const auto answer = ask(sent, project);
      EXPECT_THAT(answer, FailsWith(Errc::kBadSignature)) << project;
      EXPECT_EQ(answer.error().message, bad_signature);
    }
  }
  ASSERT_TRUE(change_user("bob", {.password = {}, .enabled = true}));
  EXPECT_TRUE(ask(Signed("HIS", kSecret, clock_.now)));

  for (const char* key : {"HERS", "NONE"}) {
    const Signed late(key, kSecret, clock_.now - 960'000);
    EXPECT_THAT(ask(late), FailsWith(Errc::kStale)) << key;
    EXPECT_THAT(identity_->expect(late.request(), late.authorization), FailsWith(Errc::kStale)) << key;
    Signed malformed(key, kSecret, clock_.now);
    malformed.authorization.pop_back();
    EXPECT_THAT(ask(malformed), FailsWith(Errc::kBadAuthorization)) << key;
    EXPECT_THAT(identity_->expect(malformed.request(), malformed.authorization),
                FailsWith(Errc::kBadAuthorization));
  }
}

TEST_F(KeysTest, WhatIsSaidBeforeTheBodyIsThere) {
  const Signed sent("HERS", kSecret, clock_.now);
  const Signed unknown("NONE", kSecret, clock_.now);
  const Signed forged("HERS", "another secret", clock_.now);
  EXPECT_TRUE(identity_->expect(sent.request(), sent.authorization));
  EXPECT_TRUE(identity_->expect(forged.request(), forged.authorization)) << "cannot be known yet";
  EXPECT_THAT(identity_->expect(unknown.request(), unknown.authorization), FailsWith(Errc::kBadSignature));
}

TEST_F(KeysTest, RemovedKeySignsNothing) {
  ASSERT_TRUE(ask());
  ASSERT_TRUE(remove_key("HERS"));
  EXPECT_THAT(ask(), FailsWith(Errc::kBadSignature));
  EXPECT_THAT(remove_key("HERS"), FailsWith(Errc::kNotFound));
  ASSERT_TRUE(create_key("alice", "HERS", kSecret));
  ASSERT_TRUE(ask());
  ASSERT_TRUE(remove_user("alice"));
  EXPECT_THAT(ask(), FailsWith(Errc::kBadSignature));
}

TEST_F(KeysTest, MadePairsAreListedAndWork) {
  std::set<std::string> seen;
  for (int i = 0; i < 3; ++i) {
    clock_.now += 1000;
    const auto made = create_key("alice").value();
    EXPECT_EQ(made.view.id.size(), 20u);
    EXPECT_EQ(made.secret.size(), 40u);
    EXPECT_TRUE(seen.insert(made.view.id).second);
    EXPECT_TRUE(ask(Signed(made.view.id, made.secret, clock_.now)));
    EXPECT_EQ(identity_->keys("alice")[0].id, made.view.id) << "newest first";
    EXPECT_EQ(identity_->keys("")[0].user, "alice");
  }
  EXPECT_EQ(identity_->keys("alice").size(), 4u);
  create_user("bob").value();
  EXPECT_TRUE(identity_->keys("bob").empty());
  EXPECT_TRUE(identity_->keys("none").empty());
}

TEST_F(KeysTest, PairsAreChecked) {
  EXPECT_THAT(create_key("alice", "HERS", kSecret), FailsWith(store::Errc::kExists));
  EXPECT_THAT(create_key("bob", "HIS", kSecret), FailsWith(Errc::kNotFound));
  EXPECT_THAT(create_key("alice", "NEW", ""), FailsWith(Errc::kBadKey));
  EXPECT_THAT(create_key("alice", "", kSecret), FailsWith(Errc::kBadKey));
  EXPECT_THAT(create_key("alice", "a b", kSecret), FailsWith(Errc::kBadKey));
  EXPECT_THAT(create_key("alice", std::string(65, 'a'), kSecret), FailsWith(Errc::kBadKey));
  EXPECT_THAT(create_key("alice", "NEW", "1234567"), FailsWith(Errc::kBadKey));
  EXPECT_THAT(create_key("alice", "NEW", std::string(129, 'x')), FailsWith(Errc::kBadKey));
  EXPECT_THAT(create_key("alice", "NEW", "with a space"), FailsWith(Errc::kBadKey));
  EXPECT_THAT(create_key("alice", "NEW", "caf\xc3\xa9-secret"), FailsWith(Errc::kBadKey));
  EXPECT_TRUE(create_key("alice", std::string(64, 'a'), std::string(128, '~')));
}

// A key that was stored under another master key, or whose row was given to another user.
TEST_F(KeysTest, KeysThatDoNotOpenSignNothing) {
  create_user("bob", {{"one", kAllOfIt}, {"two", kAllOfIt}}).value();
  ASSERT_TRUE(create_key("bob", "HIS", "his-own-secret"));
  auto rows = store_->identity_rows().value();
  EXPECT_TRUE(closed_keys(rows, master_key()).empty());

  for (store::AccessKey& key : rows.keys) {
    if (key.id != "HERS") continue;
    store::AccessKey moved = key;
    moved.user = rows.users[1].seq;
    ASSERT_EQ(rows.users[1].name, "bob");
    ASSERT_TRUE(
        wait<void>([&](auto done) { store_->change_identity(store::change::RemoveKey{"HERS"}, done); }));
    ASSERT_TRUE(wait<void>([&](auto done) { store_->change_identity(store::change::AddKey{moved}, done); }));
  }
  reopen();
  EXPECT_THAT(ask(), FailsWith(Errc::kBadSignature));
  EXPECT_TRUE(ask(Signed("HIS", "his-own-secret", clock_.now), "one"));
  EXPECT_EQ(closed_keys(store_->identity_rows().value(), master_key()), std::vector<std::string>{"HERS"});
  EXPECT_EQ(identity_->keys("").size(), 2u) << "it is there to be seen and removed";

  std::filesystem::remove(dir_.file("masterkey"));
  reopen();
  EXPECT_THAT(ask(Signed("HIS", "his-own-secret", clock_.now), "one"), FailsWith(Errc::kBadSignature));
  EXPECT_EQ(closed_keys(store_->identity_rows().value(), master_key()).size(), 2u);
  ASSERT_TRUE(remove_key("HERS"));
  ASSERT_TRUE(create_key("alice", "HERS", kSecret));
  EXPECT_TRUE(ask());
}

}  // namespace
}  // namespace drover::identity
