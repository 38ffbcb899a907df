// Logging in, and the sessions that come of it.
#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include "base/id.h"
#include "identity/session_token.h"
#include "identity/testing/alike.h"
#include "identity/testing/identity_fixture.h"

namespace drover::identity {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Gt;
using ::testing::Lt;

class SessionsTest : public IdentityTest {
 protected:
  SessionsTest() {
    one_ = create_project("one").value();
    two_ = create_project("two", {}, true).value();
    alice_ = create_user("alice", {{"one", kAllOfIt}}).value();
  }

  std::int64_t number_of(const std::string& secret) const { return identity_->authenticate(secret)->user; }

  store::Project one_;
  store::Project two_;
  UserView alice_;
};

TEST_F(SessionsTest, LoginGivesASessionInTheProject) {
  for (const std::string& user : {std::string("alice"), alice_.id}) {
    for (const std::string& project : {std::string("one"), one_.id, std::string()}) {
      const auto made = log_in(user, project).value();
      EXPECT_EQ(made.secret.substr(0, 4), "drs_");
      EXPECT_EQ(made.view.user, "alice");
      EXPECT_EQ(made.view.user_id, alice_.id);
      EXPECT_EQ(made.view.project, "one");
      EXPECT_EQ(made.view.project_id, one_.id);
      EXPECT_EQ(made.view.roles, std::vector{kAllOfIt});
      EXPECT_EQ(made.view.issued_ms, clock_.now);
      EXPECT_EQ(made.view.expires_ms, clock_.now + 86'400'000);
      EXPECT_EQ(made.view.audit_id.size(), 22u);

      const PrincipalPtr who = identity_->authenticate(made.secret);
      ASSERT_TRUE(who);
      EXPECT_EQ(who->project, one_.seq);
      EXPECT_EQ(who->project_id, one_.id);
      EXPECT_EQ(who->user_id, alice_.id);
      EXPECT_EQ(who->user_name, "alice");
      EXPECT_EQ(who->actor, "user:alice");
      EXPECT_EQ(who->limit_key, who->user);
      EXPECT_GT(who->user, 0);
      EXPECT_FALSE(who->node_admin);
      EXPECT_EQ(who->permissions.verdict(Action::kAsyncCommand), Permissions::Verdict::kAllowed);

      const auto seen = identity_->session(made.secret);
      ASSERT_TRUE(seen);
      EXPECT_EQ(seen->audit_id, made.view.audit_id);
      EXPECT_EQ(seen->expires_ms, made.view.expires_ms);
    }
  }
}

TEST_F(SessionsTest, UnscopedWhereNoOneProjectFollows) {
  const auto asked = try_log_in({"alice", kPassword, {}, {}, true}).result.value();
  ASSERT_TRUE(add_grant("alice", {"two", kReading}));
  for (const NewSession& made : {asked, log_in("alice").value()}) {
    EXPECT_EQ(made.view.project_id, "");
    EXPECT_TRUE(made.view.roles.empty());
    const PrincipalPtr who = identity_->authenticate(made.secret);
    ASSERT_TRUE(who);
    EXPECT_EQ(who->project, 0);
    EXPECT_EQ(who->user_name, "alice");
    EXPECT_EQ(who->permissions.verdict(Action::kReadTask), Permissions::Verdict::kDenied);
    EXPECT_EQ(identity_->projects_of(*who), (std::vector{one_, two_}));
  }
  create_user("nobody").value();
  EXPECT_EQ(log_in("nobody").value().view.project_id, "");
}

TEST_F(SessionsTest, AdministratorOfAllProjectsIsTheNodes) {
  create_user("root", {{"", kAllOfIt}, {"two", kReading}}).value();
  const PrincipalPtr who = identity_->authenticate(log_in("root", "two").value().secret);
  EXPECT_TRUE(who->node_admin);
  EXPECT_EQ(who->roles, (std::vector{kAllOfIt, kReading}));
  EXPECT_EQ(identity_->projects_of(*who).size(), 2u);
  const PrincipalPtr nowhere =
      identity_->authenticate(try_log_in({"root", kPassword, {}, {}, true}).result.value().secret);
  EXPECT_TRUE(nowhere->node_admin);
  EXPECT_TRUE(nowhere->roles.empty());
  EXPECT_EQ(nowhere->permissions.verdict(Action::kReadTask), Permissions::Verdict::kDenied);
  // A project made later is among all.
  create_project("three").value();
  EXPECT_TRUE(log_in("root", "three"));

  create_user("reader", {{"", kReading}}).value();
  create_user("chief", {{"one", kAllOfIt}, {"two", kAllOfIt}}).value();
  for (const char* user : {"reader", "chief"}) {
    EXPECT_FALSE(identity_->authenticate(log_in(user, "two").value().secret)->node_admin) << user;
  }
}

// In one answer, whichever it is.
TEST_F(SessionsTest, EveryReasonIsTheSame) {
  create_user("bob", {{"one", kAllOfIt}}).value();
  ASSERT_TRUE(change_user("bob", {.password = {}, .enabled = false}));
  create_user("carol", {{"one", kAllOfIt}}, {}).value();
  const std::vector<Login> wrong{{"alice", "wrong password", {}, "one"},
                                 {"nobody", kPassword, {}, "one"},
                                 {"bob", kPassword, {}, "one"},
                                 {"carol", kPassword, {}, "one"},
                                 {"carol", "", {}, "one"},
                                 {"alice", kPassword, {}, "two"},
                                 {"alice", kPassword, {}, "none"},
                                 {"alice", "", {}, "one"},
                                 {"", kPassword, {}, "one"},
                                 {"alice", std::string(1 << 20, 'x'), {}, "one"}};
  for (const Login& login : wrong) {
    const auto answer = try_log_in(login);
    EXPECT_THAT(answer.result, FailsWith(Errc::kBadCredentials)) << login.user;
    EXPECT_EQ(answer.result.error().message, make_error_code(Errc::kBadCredentials).message());
    EXPECT_EQ(answer.retry_after, Millis(0));
  }
}

TEST_F(SessionsTest, EveryReasonIsThrottled) {
  const std::vector<Login> wrong{{"alice", "wrong password", {}, "one"},
                                 {"nobody", kPassword, {}, "one"},
                                 {"alice", kPassword, {}, "two"}};
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    Login login = wrong[i];
    login.address = "192.0.2." + std::to_string(i);
    for (int tries = 0; tries < 5; ++tries)
      EXPECT_THAT(try_log_in(login).result, FailsWith(Errc::kBadCredentials));
    const auto answer = try_log_in(login);
    EXPECT_THAT(answer.result, FailsWith(Errc::kThrottled));
    EXPECT_GT(answer.retry_after, Millis(0));
    EXPECT_LE(answer.retry_after, Millis(1000));
  }
  // A name and an id are the same user.
  EXPECT_THAT(try_log_in({alice_.id, kPassword, "192.0.2.0", "one"}).result, FailsWith(Errc::kThrottled));
  EXPECT_TRUE(log_in("alice", "one")) << "from elsewhere";
  clock_.now += 1000;
  EXPECT_TRUE(try_log_in({"alice", kPassword, "192.0.2.0", "one"}).result);
}

TEST_F(SessionsTest, TooManyAtOnceAreToldToComeBack) {
  constexpr int kTries = 200;
  struct Count {
    std::atomic<int> open{kTries}, wrong{0}, busy{0};
    std::promise<void> all;
  };
  const auto count = std::make_shared<Count>();
  for (int i = 0; i < kTries; ++i) {
    identity_->log_in({"user-" + std::to_string(i), kPassword, "10.1.0." + std::to_string(i), "one"},
                      [count](const Result<NewSession>& made, Millis retry_after) {
                        if (!made && made.error().code == Errc::kBadCredentials && retry_after == Millis(0))
                          ++count->wrong;
                        if (!made && made.error().code == Errc::kBusy && retry_after > Millis(0))
                          ++count->busy;
                        if (--count->open == 0) count->all.set_value();
                      });
  }
  count->all.get_future().wait();
  EXPECT_EQ(count->wrong + count->busy, kTries);
  EXPECT_GE(count->wrong, 64);
  EXPECT_GT(count->busy, 0);
  // Who was told so was not tried.
  for (int tries = 0; tries < 4; ++tries) {
    EXPECT_THAT(try_log_in({"user-199", kPassword, "10.1.0.199", "one"}).result,
                FailsWith(Errc::kBadCredentials));
  }
}

TEST_F(SessionsTest, SessionEndsWithItsLifetime) {
  options_.session_lifetime = Seconds(60);
  reopen();
  const auto made = log_in("alice").value();
  clock_.now += 59'999;
  EXPECT_TRUE(is_let_in(made.secret));
  clock_.now += 1;
  EXPECT_FALSE(is_let_in(made.secret));
  EXPECT_FALSE(identity_->session(made.secret));
  EXPECT_THAT(end_session(made.secret), FailsWith(Errc::kNotFound));
}

TEST_F(SessionsTest, SessionsSurviveARestart) {
  const auto kept = log_in("alice").value();
  const auto ended = log_in("alice").value();
  ASSERT_TRUE(end_session(ended.secret));
  reopen();
  EXPECT_TRUE(is_let_in(kept.secret));
  EXPECT_FALSE(is_let_in(ended.secret));
}

TEST_F(SessionsTest, EndedSessionIsEndedAtOnce) {
  const auto made = log_in("alice").value();
  const auto kept = log_in("alice").value();
  EXPECT_TRUE(is_let_in(made.secret));
  ASSERT_TRUE(end_session(made.secret));
  EXPECT_FALSE(is_let_in(made.secret));
  EXPECT_FALSE(identity_->session(made.secret));
  EXPECT_TRUE(is_let_in(kept.secret));
  EXPECT_THAT(end_session(made.secret), FailsWith(Errc::kNotFound));
  EXPECT_THAT(end_session("drs_nonsense"), FailsWith(Errc::kNotFound));
  EXPECT_THAT(end_session(""), FailsWith(Errc::kNotFound));
}

TEST_F(SessionsTest, ExpiredRevocationsAreForgottenAndOthersAreNot) {
  const std::int64_t alice = number_of(log_in("alice").value().secret);
  const auto end_many = [&] {
    std::vector<std::string> ended;
    std::vector<std::future<Result<>>> answers;
    for (int i = 0; i < 100; ++i) {
      Session session{.user = alice, .issued_ms = clock_.now, .expires_ms = clock_.now + 60'000};
      fill_random(session.audit.data(), session.audit.size());
      ended.push_back(seal_session(master_key(), session));
      EXPECT_TRUE(is_let_in(ended.back()));
      auto answer = std::make_shared<std::promise<Result<>>>();
      answers.push_back(answer->get_future());
      identity_->end_session(ended.back(), [answer](Result<> done) { answer->set_value(std::move(done)); });
    }
    for (auto& answer : answers) EXPECT_TRUE(answer.get());
    return ended;
  };
  end_many();
  clock_.now += 61'000;
  const std::vector<std::string> ended = end_many();
  for (int i = 0; i < 2; ++i) {
    for (const std::string& secret : ended) EXPECT_FALSE(is_let_in(secret));
    EXPECT_EQ(store_->identity_rows()->revocations.size(), 100u);
    reopen();
  }
}

TEST_F(SessionsTest, ChangesOfTheUserEndSessions) {
  const auto session = [&] { return log_in("alice", "one").value().secret; };
  std::string secret = session();
  ASSERT_TRUE(change_user("alice", {.password = kPassword, .enabled = {}}));
  EXPECT_FALSE(is_let_in(secret)) << "a new password, in the same millisecond";

  secret = session();
  EXPECT_TRUE(is_let_in(secret)) << "those that follow count, in the same millisecond";
  ASSERT_TRUE(change_user("alice", {.password = {}, .enabled = false}));
  EXPECT_FALSE(is_let_in(secret)) << "disabled";
  ASSERT_TRUE(change_user("alice", {.password = {}, .enabled = true}));
  EXPECT_FALSE(is_let_in(secret)) << "and not again when enabled";

  secret = session();
  ASSERT_TRUE(change_user("alice", {.password = {}, .enabled = true}));
  EXPECT_TRUE(is_let_in(secret)) << "nothing changed";

  ASSERT_TRUE(remove_grant("alice", {"one", kAllOfIt}));
  EXPECT_FALSE(is_let_in(secret)) << "no role there";
  ASSERT_TRUE(add_grant("alice", {"", kReading}));
  ASSERT_TRUE(is_let_in(secret));
  EXPECT_EQ(identity_->authenticate(secret)->roles, std::vector{kReading});

  clock_.now -= 3'600'000;
  ASSERT_TRUE(change_user("alice", {.password = kPassword, .enabled = {}}));
  EXPECT_FALSE(is_let_in(secret)) << "though the clock was set back";
  secret = session();
  EXPECT_TRUE(is_let_in(secret));
  reopen();
  EXPECT_TRUE(is_let_in(secret));

  ASSERT_TRUE(remove_user("alice"));
  EXPECT_FALSE(is_let_in(secret)) << "removed";
  ASSERT_TRUE(create_user("alice", {{"one", kAllOfIt}}));
  EXPECT_FALSE(is_let_in(secret)) << "another one of that name";
}

// While a change is on its way to the disk nobody is given a session that would outlive it.
TEST_F(SessionsTest, LoginDuringAPasswordChangeGivesNothingThatLasts) {
  store::HeldWriter held(*store_);
  std::promise<Result<UserView>> changed;
  identity_->change_user("alice", {.password = "another password", .enabled = {}},
                         [&](Result<UserView> user) { changed.set_value(std::move(user)); });
  std::promise<Result<NewSession>> made;
  identity_->log_in({"alice", kPassword, "192.0.2.1", "one"},
                    [&](Result<NewSession> session, Millis) { made.set_value(std::move(session)); });
  // Passwords are hashed in turn, so by now both are.
  EXPECT_THAT(create_user("bob", {}, "short"), FailsWith(Errc::kBadPassword));
  held.release();
  EXPECT_TRUE(changed.get_future().get());
  EXPECT_THAT(made.get_future().get(), FailsWith(Errc::kBadCredentials));
}

TEST_F(SessionsTest, UserChangesTheirOwnPassword) {
  const auto session = log_in("alice").value();
  const std::int64_t alice = number_of(session.secret);
  EXPECT_THAT(change_password(alice, "wrong password", "a new password"), FailsWith(Errc::kBadCredentials));
  EXPECT_THAT(change_password(alice, kPassword, "short"), FailsWith(Errc::kBadPassword));
  EXPECT_THAT(change_password(alice, kPassword, std::string(257, 'x')), FailsWith(Errc::kBadPassword));
  EXPECT_THAT(change_password(alice + 1, kPassword, "a new password"), FailsWith(Errc::kBadCredentials));
  EXPECT_TRUE(is_let_in(session.secret));
  ASSERT_TRUE(change_password(alice, kPassword, "a new password"));
  EXPECT_FALSE(is_let_in(session.secret));
  EXPECT_THAT(log_in("alice"), FailsWith(Errc::kBadCredentials));
  EXPECT_TRUE(log_in("alice", {}, "a new password"));
  reopen();
  EXPECT_TRUE(log_in("alice", {}, "a new password"));
}

TEST_F(SessionsTest, TwoNewPasswordsAtOnceMakeOne) {
  const std::int64_t alice = number_of(log_in("alice").value().secret);
  std::vector<std::future<Result<>>> answers;
  for (const char* password : {"first password", "second password"}) {
    answers.push_back(
        std::async(std::launch::async, [=, this] { return change_password(alice, kPassword, password); }));
  }
  const bool first = answers[0].get().has_value();
  const bool second = answers[1].get().has_value();
  EXPECT_TRUE(first || second);
  EXPECT_EQ(log_in("alice", {}, "first password").has_value(), first && !second);
  EXPECT_EQ(log_in("alice", {}, "second password").has_value(), second);
}

TEST_F(SessionsTest, SecretsAreStoredNowhere) {
  const auto made = log_in("alice").value();
  ASSERT_TRUE(end_session(made.secret));
  const auto token = create_token("one").value();
  const auto key = create_key("alice", "MYKEY", "a-very-secret-secret").value();
  const std::string bytes = stored();
  EXPECT_NE(bytes.find(token.view.id), std::string::npos);
  EXPECT_NE(bytes.find("MYKEY"), std::string::npos);
  for (const std::string& secret : {made.secret.substr(4), token.secret.substr(4), key.secret, kPassword}) {
    EXPECT_EQ(bytes.find(secret), std::string::npos);
  }
}

TEST_F(SessionsTest, ForeignSessionsAreNone) {
  Session session;
  session.user = number_of(log_in("alice").value().secret);
  session.issued_ms = clock_.now;
  session.expires_ms = clock_.now + 60'000;
  EXPECT_TRUE(is_let_in(seal_session(master_key(), session))) << "another server's with this key";
  const MasterKey other = MasterKey::load_or_make(dir_.file("otherkey")).value();
  EXPECT_FALSE(is_let_in(seal_session(other, session)));
  session.project = two_.seq;
  EXPECT_FALSE(is_let_in(seal_session(master_key(), session))) << "no role there";
  session.project = 99;
  EXPECT_FALSE(is_let_in(seal_session(master_key(), session))) << "no such project";
  session.project = 0;
  session.user = 99;
  EXPECT_FALSE(is_let_in(seal_session(master_key(), session))) << "no such user";
}

// The hash is made whoever asks.
TEST_F(SessionsTest, NoReasonIsQuickerThanAnother) {
  create_user("bob", {{"one", kAllOfIt}}).value();
  ASSERT_TRUE(change_user("bob", {.password = {}, .enabled = false}));
  std::vector<std::function<double()>> logins;
  for (const Login& login :
       {Login{"alice", "wrong password", {}, "one"}, Login{"nobody", "wrong password", {}, "one"},
        Login{"bob", kPassword, {}, "one"}, Login{"alice", kPassword, {}, "none"}}) {
    logins.emplace_back([this, login] {
      clock_.now += 3'600'000;  // so that failures before it do not slow it down
      const auto begun = std::chrono::steady_clock::now();
      EXPECT_THAT(try_log_in(login).result, FailsWith(Errc::kBadCredentials));
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    });
  }
  constexpr double kFactor = 1.5;
  EXPECT_THAT(ratios_to_first(logins, kFactor), Each(AllOf(Gt(1 / kFactor), Lt(kFactor))));
}

// What waits is told, and what comes back later finds everything it needs.
TEST_F(SessionsTest, EndWhileManyLogIn) {
  const auto answers = std::make_shared<std::atomic<int>>(0);
  for (int i = 0; i < 20; ++i) {
    identity_->log_in({"alice", kPassword, "10.2.0." + std::to_string(i), "one"},
                      [answers](const Result<NewSession>&, Millis) { ++*answers; });
  }
  identity_.reset();
  EXPECT_EQ(*answers, 20);
}

}  // namespace
}  // namespace drover::identity
