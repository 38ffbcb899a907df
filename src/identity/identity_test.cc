// Projects, operators' tokens, the server's own user, and the store behind it all.
#include "identity/identity.h"

#include <atomic>
#include <set>
#include <thread>

#include "identity/secret.h"
#include "identity/testing/identity_fixture.h"

namespace drover::identity {
namespace {

using Verdict = Permissions::Verdict;

TEST_F(IdentityTest, TokenOpensItsProjectWithItsRole) {
  const auto one = create_project("one").value();
  const auto two = create_project("two", {}, true).value();
  const auto admin = create_token("one").value();
  const auto reader = create_token(two.id, kReading).value();

  const PrincipalPtr as_admin = identity_->authenticate(admin.secret);
  ASSERT_TRUE(as_admin);
  EXPECT_EQ(as_admin->project, one.seq);
  EXPECT_EQ(as_admin->project_id, one.id);
  EXPECT_EQ(as_admin->project_name, "one");
  EXPECT_EQ(as_admin->roles, std::vector{kAllOfIt});
  EXPECT_EQ(as_admin->actor, "token:" + admin.view.id);
  EXPECT_EQ(as_admin->user, 0);
  EXPECT_EQ(as_admin->permissions.verdict(Action::kAsyncCommand), Verdict::kAllowed);
  EXPECT_FALSE(as_admin->koophone_commands_only);
  EXPECT_FALSE(as_admin->node_admin);

  const PrincipalPtr as_reader = identity_->authenticate(reader.secret);
  ASSERT_TRUE(as_reader);
  EXPECT_EQ(as_reader->project, two.seq);
  EXPECT_EQ(as_reader->permissions.verdict(Action::kAsyncCommand), Verdict::kDenied);
  EXPECT_EQ(as_reader->permissions.verdict(Action::kReadTask), Verdict::kAllowed);
  EXPECT_TRUE(as_reader->koophone_commands_only);

  EXPECT_LT(as_admin->limit_key, 0);
  EXPECT_NE(as_admin->limit_key, as_reader->limit_key);
  EXPECT_EQ(identity_->authenticate(admin.secret), as_admin) << "made once";
}

TEST_F(IdentityTest, SurvivesARestart) {
  const auto one = create_project("one", {}, true).value();
  const auto token = create_token("one").value();
  reopen();
  const PrincipalPtr who = identity_->authenticate(token.secret);
  ASSERT_TRUE(who);
  EXPECT_TRUE(who->koophone_commands_only);
  EXPECT_EQ(who->roles, std::vector{kAllOfIt});
  ASSERT_EQ(identity_->tokens("one").size(), 1u);
  EXPECT_EQ(identity_->tokens("one")[0].expires_ms, token.view.expires_ms);
  EXPECT_EQ(identity_->projects(), std::vector{one});
}

TEST_F(IdentityTest, NobodyElseIsLetIn) {
  create_project("one").value();
  const std::string secret = create_token("one").value().secret;
  for (const std::string& wrong :
       {std::string(), std::string("drv_"), std::string("drs_"), secret.substr(0, secret.size() - 1),
        secret + "A", "drs_" + secret.substr(4), std::string(1'000'000, 'x')}) {
    EXPECT_FALSE(is_let_in(wrong));
  }
  std::string other = secret;
  other[10] = other[10] == 'a' ? 'b' : 'a';
  EXPECT_FALSE(is_let_in(other));
}

TEST_F(IdentityTest, TokenEndsWithItsLifetime) {
  create_project("one").value();
  const auto token = create_token("one", kAllOfIt, Seconds(60)).value();
  EXPECT_EQ(token.view.expires_ms, clock_.now + 60'000);
  clock_.now += 59'999;
  EXPECT_TRUE(is_let_in(token.secret));
  clock_.now += 1;
  EXPECT_FALSE(is_let_in(token.secret));
  EXPECT_EQ(identity_->tokens("one").size(), 1u) << "it is still there to be seen";
}

TEST_F(IdentityTest, RevokedTokenIsRefusedAtOnceAndForGood) {
  create_project("one").value();
  const auto token = create_token("one").value();
  const auto kept = create_token("one").value();
  EXPECT_TRUE(is_let_in(token.secret));
  ASSERT_TRUE(revoke_token(token.view.id));
  EXPECT_FALSE(is_let_in(token.secret));
  EXPECT_TRUE(is_let_in(kept.secret));
  EXPECT_THAT(revoke_token(token.view.id), FailsWith(Errc::kNotFound));
  reopen();
  EXPECT_FALSE(is_let_in(token.secret));
  EXPECT_TRUE(is_let_in(kept.secret));
}

TEST_F(IdentityTest, NamesAreChecked) {
  for (const std::string& bad : {std::string(), std::string(65, 'a'), std::string(" a"), std::string("a/b"),
                                 std::string("\xc3\xa9"), std::string("a\0b", 3)}) {
    EXPECT_THAT(create_project(bad), FailsWith(Errc::kBadName)) << bad;
    EXPECT_THAT(create_user(bad), FailsWith(Errc::kBadName)) << bad;
    EXPECT_THAT(put_policy(bad, "{}"), FailsWith(Errc::kBadName)) << bad;
  }
  EXPECT_TRUE(create_project(std::string(64, 'a')));
  // What the service lets its users be called.
  EXPECT_TRUE(create_user("Alice B. of-shop@example.com"));
  for (const char* bad : {"a b", "a.b"}) EXPECT_THAT(create_project(bad), FailsWith(Errc::kBadName)) << bad;
  for (const char* bad : {"a ", ".", ".."}) EXPECT_THAT(create_user(bad), FailsWith(Errc::kBadName)) << bad;
  EXPECT_TRUE(create_project("Aa0_-"));
  EXPECT_THAT(create_project("Aa0_-"), FailsWith(store::Errc::kExists));
  EXPECT_EQ(identity_->projects().size(), 2u);
}

TEST_F(IdentityTest, ProjectKeepsTheIdThatItsClientsKnow) {
  const std::string id = "0123456789abcdef0123456789abcdef";
  for (const std::string& bad : {id + "0", id.substr(1), "G" + id.substr(1), "A" + id.substr(1)}) {
    EXPECT_THAT(create_project("one", bad), FailsWith(Errc::kBadId)) << bad;
  }
  const auto one = create_project("one", id).value();
  EXPECT_EQ(one.id, id);
  EXPECT_THAT(create_project("two", id), FailsWith(store::Errc::kExists));
  const auto two = create_project("two").value();
  EXPECT_EQ(two.id.size(), 32u);
  EXPECT_NE(two.id, id);
  EXPECT_EQ(identity_->project(id), one);
  EXPECT_EQ(identity_->project("one"), one);
  EXPECT_EQ(identity_->project("three"), std::nullopt);
  EXPECT_EQ(identity_->project(""), std::nullopt);
  EXPECT_EQ(identity_->project_name(two.seq), "two");
  EXPECT_EQ(identity_->project_name(two.seq + 1), "");
}

TEST_F(IdentityTest, TokensAreChecked) {
  create_project("one").value();
  for (const std::int64_t seconds : {0LL, -1LL, 315'360'001LL}) {
    EXPECT_THAT(create_token("one", kAllOfIt, Seconds(seconds)), FailsWith(Errc::kBadLifetime));
  }
  EXPECT_TRUE(create_token("one", kAllOfIt, Seconds(315'360'000)));
  EXPECT_THAT(create_token("two"), FailsWith(Errc::kNotFound));
  EXPECT_EQ(create_token("two").error().message, "no such project: two");
  EXPECT_EQ(create_token("one", "none").error().message, "no such role: none");
  EXPECT_EQ(identity_->tokens("").size(), 1u);
}

TEST_F(IdentityTest, ServersOwnUserIsAdministratorOfEverything) {
  const auto one = create_project("one", {}, true).value();
  for (const std::string& named : {std::string("one"), one.id}) {
    const PrincipalPtr who = identity_->local(named);
    ASSERT_TRUE(who);
    EXPECT_EQ(who->project, one.seq);
    EXPECT_EQ(who->actor, "local");
    EXPECT_EQ(who->limit_key, 0);
    EXPECT_EQ(who->permissions.verdict(Action::kRemoveInstance), Verdict::kAllowed);
    EXPECT_TRUE(who->koophone_commands_only);
    EXPECT_TRUE(who->node_admin);
    EXPECT_EQ(identity_->projects_of(*who).size(), 1u);
  }
  EXPECT_FALSE(identity_->local("two"));
  const PrincipalPtr nowhere = identity_->local("");
  ASSERT_TRUE(nowhere);
  EXPECT_EQ(nowhere->project, 0);
  EXPECT_TRUE(nowhere->node_admin);
  EXPECT_EQ(nowhere->permissions.verdict(Action::kReadTask), Verdict::kDenied);
}

TEST_F(IdentityTest, TokensAreListedNewestFirst) {
  create_project("one").value();
  const auto two = create_project("two").value();
  const std::string a = create_token("one").value().view.id;
  clock_.now += 1000;
  const std::string b = create_token("two", kReading).value().view.id;
  clock_.now += 1000;
  const std::string c = create_token("one", kReading).value().view.id;
  const auto ids = [](const std::vector<TokenView>& views) {
    std::vector<std::string> out;
    out.reserve(views.size());
    for (const TokenView& view : views) out.push_back(view.id);
    return out;
  };
  EXPECT_EQ(ids(identity_->tokens("")), (std::vector{c, b, a}));
  EXPECT_EQ(ids(identity_->tokens("one")), (std::vector{c, a}));
  EXPECT_EQ(ids(identity_->tokens(two.id)), std::vector{b});
  EXPECT_EQ(identity_->tokens("two")[0].project, "two");
  EXPECT_EQ(identity_->tokens("two")[0].policy, kReading);
  EXPECT_TRUE(identity_->tokens("three").empty());
}

TEST_F(IdentityTest, TokenSeesItsOwnProjectOnly) {
  const auto one = create_project("one").value();
  create_project("two").value();
  const PrincipalPtr who = identity_->authenticate(create_token("one").value().secret);
  EXPECT_EQ(identity_->projects_of(*who), std::vector{one});
}

TEST_F(IdentityTest, ClosedStoreFailsChangesAndKeepsTheRest) {
  create_project("one").value();
  create_user("alice", {{"one", kAllOfIt}}).value();
  const auto key = create_key("alice").value();
  const auto token = create_token("one").value();
  const auto session = log_in("alice").value();
  store_->close();
  EXPECT_THAT(create_project("two"), FailsWith(store::Errc::kClosed));
  EXPECT_THAT(create_token("one"), FailsWith(store::Errc::kClosed));
  EXPECT_THAT(revoke_token(token.view.id), FailsWith(store::Errc::kClosed));
  EXPECT_THAT(create_user("bob"), FailsWith(store::Errc::kClosed));
  EXPECT_THAT(remove_user("alice"), FailsWith(store::Errc::kClosed));
  EXPECT_THAT(change_user("alice", {.password = {}, .enabled = false}), FailsWith(store::Errc::kClosed));
  EXPECT_THAT(remove_grant("alice", {"one", kAllOfIt}), FailsWith(store::Errc::kClosed));
  EXPECT_THAT(remove_key(key.view.id), FailsWith(store::Errc::kClosed));
  EXPECT_THAT(end_session(session.secret), FailsWith(store::Errc::kClosed));
  EXPECT_TRUE(is_let_in(token.secret));
  EXPECT_TRUE(is_let_in(session.secret));
  EXPECT_EQ(identity_->projects().size(), 1u);
  EXPECT_EQ(identity_->users().size(), 1u);
  EXPECT_EQ(identity_->keys("").size(), 1u);
}

// A change is stored before it counts: while the store's writer is held, nothing has changed for anybody.
TEST_F(IdentityTest, NothingCountsBeforeItIsStored) {
  create_project("one").value();
  const auto token = create_token("one").value();
  std::atomic<int> answers{0};
  store::HeldWriter held(*store_);
  identity_->revoke_token(token.view.id, [&](const Result<>& done) { answers += done.has_value(); });
  identity_->create_user({"alice", {}, {}},
                         [&](const Result<UserView>& done) { answers += done.has_value(); });
  EXPECT_TRUE(is_let_in(token.secret));
  EXPECT_EQ(identity_->users().size(), 0u);
  EXPECT_EQ(answers, 0);
  held.release();
  EXPECT_TRUE(create_user("bob", {}, {}));  // in turn, so the others are done
  EXPECT_EQ(answers, 2);
  EXPECT_FALSE(is_let_in(token.secret));
  EXPECT_EQ(identity_->users().size(), 2u);
}

TEST(SecretTest, IsAsLongAsItSaysAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string secret = make_secret();
    EXPECT_EQ(secret.size(), 47u);
    EXPECT_EQ(secret.substr(0, 4), "drv_");
    EXPECT_EQ(secret.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
              std::string::npos);
    seen.insert(secret);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

// FIPS 180-2, appendix B.1.
TEST(SecretTest, HashIsSha256) {
  const auto digest = Hasher()("abc");
  ASSERT_TRUE(digest);
  EXPECT_EQ(to_hex({reinterpret_cast<const char*>(digest->data()), digest->size()}),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace drover::identity
