#include "identity/identity.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "identity/secret.h"
#include "store/sqlite/store_fixture.h"

namespace drover::identity {
namespace {

using store::Role;

class TurnableClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now; }
  std::atomic<std::int64_t> now{1'700'000'000'000};
};

class IdentityTest : public testing::Test {
 protected:
  IdentityTest() { open(); }
  ~IdentityTest() override { store_->close(); }

  void open() {
    store_ = store::open_sqlite({dir_.file("drover.db")}, registry_).value();
    identity_ = Identity::load(clock_, *store_).value();
  }
  void reopen() {
    identity_.reset();
    store_->close();
    store_.reset();
    open();
  }

  Result<store::Project> create_project(const std::string& name, bool koophone_only = false) {
    return store::wait_for<Result<store::Project>>(
        [&](auto done) { identity_->create_project(name, koophone_only, done); });
  }
  Result<NewToken> create_token(const std::string& project, Role role, Seconds lifetime = Seconds(3600)) {
    return store::wait_for<Result<NewToken>>(
        [&](auto done) { identity_->create_token(project, role, lifetime, done); });
  }
  Result<> revoke(const std::string& id) {
    return store::wait_for<Result<>>([&](auto done) { identity_->revoke_token(id, done); });
  }

  TurnableClock clock_;
  store::TempDir dir_;
  prometheus::Registry registry_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Identity> identity_;
};

TEST_F(IdentityTest, TokenOpensItsProjectWithItsRole) {
  const auto one = create_project("one").value();
  const auto two = create_project("two", true).value();
  const auto admin = create_token("one", Role::kAdmin).value();
  const auto reader = create_token("two", Role::kReadOnly).value();

  const auto as_admin = identity_->authenticate(admin.secret);
  ASSERT_TRUE(as_admin);
  EXPECT_EQ(as_admin->project, one.seq);
  EXPECT_EQ(as_admin->role, Role::kAdmin);
  EXPECT_FALSE(as_admin->koophone_commands_only);

  const auto as_reader = identity_->authenticate(reader.secret);
  ASSERT_TRUE(as_reader);
  EXPECT_EQ(as_reader->project, two.seq);
  EXPECT_EQ(as_reader->role, Role::kReadOnly);
  EXPECT_TRUE(as_reader->koophone_commands_only);
}

TEST_F(IdentityTest, SurvivesARestart) {
  create_project("one", true).value();
  const auto token = create_token("one", Role::kAdmin).value();
  reopen();
  const auto who = identity_->authenticate(token.secret);
  ASSERT_TRUE(who);
  EXPECT_TRUE(who->koophone_commands_only);
  EXPECT_EQ(who->role, Role::kAdmin);
  ASSERT_EQ(identity_->tokens("one").size(), 1u);
  EXPECT_EQ(identity_->tokens("one")[0].expires_ms, token.view.expires_ms);
}

TEST_F(IdentityTest, NobodyElseIsLetIn) {
  create_project("one").value();
  const std::string secret = create_token("one", Role::kAdmin).value().secret;
  EXPECT_FALSE(identity_->authenticate(""));
  EXPECT_FALSE(identity_->authenticate("drv_"));
  EXPECT_FALSE(identity_->authenticate(secret.substr(0, secret.size() - 1)));
  EXPECT_FALSE(identity_->authenticate(secret + "A"));
  EXPECT_FALSE(identity_->authenticate(std::string(1'000'000, 'x')));
  std::string other = secret;
  other[10] = other[10] == 'a' ? 'b' : 'a';
  EXPECT_FALSE(identity_->authenticate(other));
}

TEST_F(IdentityTest, TokenEndsWithItsLifetime) {
  create_project("one").value();
  const auto token = create_token("one", Role::kAdmin, Seconds(60)).value();
  EXPECT_EQ(token.view.expires_ms, clock_.now + 60'000);
  clock_.now += 59'999;
  EXPECT_TRUE(identity_->authenticate(token.secret));
  clock_.now += 1;
  EXPECT_FALSE(identity_->authenticate(token.secret));
  // It is still there to be seen.
  EXPECT_EQ(identity_->tokens("one").size(), 1u);
}

TEST_F(IdentityTest, RevokedTokenIsRefusedAtOnceAndForGood) {
  create_project("one").value();
  const auto token = create_token("one", Role::kAdmin).value();
  const auto kept = create_token("one", Role::kAdmin).value();
  ASSERT_TRUE(revoke(token.view.id));
  EXPECT_FALSE(identity_->authenticate(token.secret));
  EXPECT_TRUE(identity_->authenticate(kept.secret));
  EXPECT_EQ(revoke(token.view.id).error().code, Errc::kNotFound);
  reopen();
  EXPECT_FALSE(identity_->authenticate(token.secret));
  EXPECT_TRUE(identity_->authenticate(kept.secret));
}

TEST_F(IdentityTest, NamesAreChecked) {
  for (const std::string& bad : {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a/b"),
                                 std::string("\xc3\xa9"), std::string("a\0b", 3)}) {
    EXPECT_EQ(create_project(bad).error().code, Errc::kBadName) << bad;
  }
  EXPECT_TRUE(create_project(std::string(64, 'a')));
  EXPECT_TRUE(create_project("Aa0_-"));
  EXPECT_EQ(create_project("Aa0_-").error().code, store::Errc::kExists);
  EXPECT_EQ(identity_->projects().size(), 2u);
}

TEST_F(IdentityTest, LifetimesAreChecked) {
  create_project("one").value();
  EXPECT_EQ(create_token("one", Role::kAdmin, Seconds(0)).error().code, Errc::kBadLifetime);
  EXPECT_EQ(create_token("one", Role::kAdmin, Seconds(-1)).error().code, Errc::kBadLifetime);
  EXPECT_EQ(create_token("one", Role::kAdmin, Seconds(315'360'001)).error().code, Errc::kBadLifetime);
  EXPECT_TRUE(create_token("one", Role::kAdmin, Seconds(315'360'000)));
  EXPECT_EQ(create_token("two", Role::kAdmin).error().code, Errc::kNotFound);
}

TEST_F(IdentityTest, ServersOwnUserIsAdminOfAnyProject) {
  const auto one = create_project("one", true).value();
  const auto who = identity_->local("one");
  ASSERT_TRUE(who);
  EXPECT_EQ(who->project, one.seq);
  EXPECT_EQ(who->role, Role::kAdmin);
  EXPECT_TRUE(who->koophone_commands_only);
  EXPECT_FALSE(identity_->local("two"));
}

TEST_F(IdentityTest, TokensAreListedNewestFirst) {
  create_project("one").value();
  create_project("two").value();
  const std::string a = create_token("one", Role::kAdmin).value().view.id;
  clock_.now += 1000;
  const std::string b = create_token("two", Role::kReadOnly).value().view.id;
  clock_.now += 1000;
  const std::string c = create_token("one", Role::kReadOnly).value().view.id;
  const auto ids = [](const std::vector<TokenView>& views) {
    std::vector<std::string> out;
    for (const TokenView& view : views) out.push_back(view.id);
    return out;
  };
  EXPECT_EQ(ids(identity_->tokens("")), (std::vector{c, b, a}));
  EXPECT_EQ(ids(identity_->tokens("one")), (std::vector{c, a}));
  EXPECT_EQ(identity_->tokens("two")[0].project, "two");
  EXPECT_TRUE(identity_->tokens("three").empty());
}

TEST_F(IdentityTest, SecretIsStoredNowhere) {
  create_project("one").value();
  const auto token = create_token("one", Role::kAdmin).value();
  std::string stored;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.file(""))) {
    std::ifstream file(entry.path(), std::ios::binary);
    stored.append(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_NE(stored.find(token.view.id), std::string::npos);
  EXPECT_EQ(stored.find(token.secret.substr(4)), std::string::npos);
}

TEST_F(IdentityTest, ReadersAndWritersAtOnce) {
  create_project("one").value();
  const std::string secret = create_token("one", Role::kAdmin).value().secret;
  std::atomic<bool> done{false};
  std::atomic<int> refused{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        if (!identity_->authenticate(secret)) ++refused;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    const auto token = create_token("one", Role::kReadOnly).value();
    EXPECT_TRUE(revoke(token.view.id));
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(refused, 0);
}

TEST_F(IdentityTest, ClosedStoreFailsWritesAndKeepsReads) {
  create_project("one").value();
  const auto token = create_token("one", Role::kAdmin).value();
  store_->close();
  EXPECT_EQ(create_project("two").error().code, store::Errc::kClosed);
  EXPECT_EQ(create_token("one", Role::kAdmin).error().code, store::Errc::kClosed);
  EXPECT_EQ(revoke(token.view.id).error().code, store::Errc::kClosed);
  EXPECT_TRUE(identity_->authenticate(token.secret));
  EXPECT_EQ(identity_->projects().size(), 1u);
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
