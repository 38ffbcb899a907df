// Requests while everything changes: for the thread sanitizer, and for what is true at any time.
#include <atomic>
#include <thread>

#include "identity/testing/identity_fixture.h"
#include "identity/testing/signer.h"

namespace drover::identity {
namespace {

using Verdict = Permissions::Verdict;

const std::string kSecret = "a-very-secret-secret";
const std::string kRead = R"({"Statement":[{"Effect":"Allow","Action":"*:queryExecuteJob"}]})";
const std::string kDenyAll = R"({"Statement":[{"Effect":"Deny","Action":"*"}]})";

// Somebody who asks over and over, on a thread of its own; `ask` says whether the answer may be.
class Asker {
 public:
  template <typename Ask>
  explicit Asker(Ask ask)
      : thread_([this, ask] {
          while (!over_) {
            if (!ask()) ++wrong_;
            ++asked_;
          }
        }) {}
  ~Asker() { end(); }

  // How many answers were none that may be.
  int end() {
    // Nobody goes without having been heard.
    while (asked_ < 10) std::this_thread::yield();
    over_ = true;
    if (thread_.joinable()) thread_.join();
    return wrong_;
  }

 private:
  std::atomic<bool> over_{false};
  std::atomic<int> wrong_{0};
  std::atomic<int> asked_{0};
  std::thread thread_;
};

class RacesTest : public IdentityTest {
 protected:
  RacesTest() {
    create_project("one").value();
    EXPECT_TRUE(put_policy("read", kRead));
    create_user("kept", {{"one", kAllOfIt}}).value();
    create_user("alice", {{"one", kReading}}).value();
    create_key("kept", "KEPT", kSecret).value();
    create_key("alice", "HERS", kSecret).value();
  }

  Result<PrincipalPtr> signed_by(const std::string& key) const {
    const Signed sent(key, kSecret, clock_.now);
    return identity_->authenticate(sent.request(), sent.authorization, "one");
  }
};

TEST_F(RacesTest, WhoIsNotConcernedIsLetInAllTheWhile) {
  const std::string token = create_token("one").value().secret;
  const std::string session = log_in("kept", "one").value().secret;
  const auto is_whole = [](const PrincipalPtr& who) {
    return who != nullptr && who->project_name == "one" && who->roles == std::vector{kAllOfIt} &&
           who->permissions.verdict(Action::kAsyncCommand) == Verdict::kAllowed;
  };
  Asker by_token([&] { return is_whole(identity_->authenticate(token)); });
  Asker by_session([&] { return is_whole(identity_->authenticate(session)) && identity_->session(session); });
  Asker by_key([&] {
    const auto who = signed_by("KEPT");
    return who && is_whole(*who);
  });
  Asker lister([&] { return !identity_->users().empty() && !identity_->keys("").empty(); });
  for (int i = 0; i < 10; ++i) {
    const std::string name = "p" + std::to_string(i);
    EXPECT_TRUE(create_project(name));
    EXPECT_TRUE(revoke_token(create_token(name, "read").value().view.id));
    EXPECT_TRUE(put_policy("read", i % 2 == 0 ? kDenyAll : kRead));
    EXPECT_TRUE(create_user(name, {{name, "read"}}, {}));
    EXPECT_TRUE(create_key(name));
    EXPECT_TRUE(end_session(log_in("kept", "one").value().secret));
    EXPECT_TRUE(remove_user(name));
  }
  EXPECT_EQ(by_token.end(), 0);
  EXPECT_EQ(by_session.end(), 0);
  EXPECT_EQ(by_key.end(), 0);
  EXPECT_EQ(lister.end(), 0);
}

// Whoever is told that a change is made sees it from then on, whatever others were asking meanwhile: a
// principal that was made before must not come back.
TEST_F(RacesTest, WhatWasChangedStaysChanged) {
  const std::string session = log_in("alice", "one").value().secret;
  const auto verdict = [&](const PrincipalPtr& who) {
    return who == nullptr ? Verdict::kDenied : who->permissions.verdict(Action::kAsyncCommand);
  };
  Asker by_session([&] { return (void)identity_->authenticate(session), true; });
  Asker by_key([&] { return (void)signed_by("HERS"), true; });
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(add_grant("alice", {"one", kAllOfIt}));
    EXPECT_EQ(verdict(identity_->authenticate(session)), Verdict::kAllowed);
    EXPECT_EQ(verdict(signed_by("HERS").value()), Verdict::kAllowed);
    ASSERT_TRUE(add_grant("alice", {"", "read"}));
    ASSERT_TRUE(put_policy("read", kDenyAll));
    EXPECT_EQ(verdict(identity_->authenticate(session)), Verdict::kDenied);
    EXPECT_EQ(verdict(signed_by("HERS").value()), Verdict::kDenied);
    ASSERT_TRUE(put_policy("read", kRead));
    EXPECT_EQ(verdict(identity_->authenticate(session)), Verdict::kAllowed);
    ASSERT_TRUE(remove_grant("alice", {"one", kAllOfIt}));
    ASSERT_TRUE(remove_grant("alice", {"", "read"}));
    EXPECT_EQ(verdict(identity_->authenticate(session)), Verdict::kDenied);
    EXPECT_EQ(verdict(signed_by("HERS").value()), Verdict::kDenied);
  }
  ASSERT_TRUE(change_user("alice", {.password = {}, .enabled = false}));
  EXPECT_EQ(identity_->authenticate(session), nullptr);
  EXPECT_THAT(signed_by("HERS"), FailsWith(Errc::kBadSignature));
  ASSERT_TRUE(remove_user("alice"));
  EXPECT_THAT(signed_by("HERS"), FailsWith(Errc::kBadSignature));
}

}  // namespace
}  // namespace drover::identity
