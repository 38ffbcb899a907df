// For tests: an Identity over a real SQLite store, with calls that wait for their answers.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "identity/identity.h"
#include "store/errc.h"
#include "store/sqlite/store_fixture.h"

namespace drover::identity {

class TurnableClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now; }
  SteadyTime steady() const override { return SteadyTime(Millis(now.load())); }
  std::atomic<std::int64_t> now{1'700'000'000'000};
};

inline const std::string kAllOfIt(kAdministrator);
inline const std::string kReading(kReadOnlyUser);
inline const std::string kPassword = "correct horse battery";

class IdentityTest : public testing::Test {
 protected:
  IdentityTest() { open(); }
  ~IdentityTest() override { store_->close(); }

  void open() {
    store_ = store::open_sqlite({dir_.file("drover.db")}, registry_).value();
    identity_ = Identity::load(clock_, *store_, master_key(), options_).value();
  }
  void reopen() {
    identity_.reset();
    store_->close();
    store_.reset();
    open();
  }
  MasterKey master_key() { return MasterKey::load_or_make(dir_.file("masterkey")).value(); }

  // What a call with a `done` of Result<T> answers.
  template <typename T, typename Start>
  static Result<T> wait(Start start) {
    return store::wait_for<Result<T>>(std::move(start));
  }
  template <typename T>
  struct Checked {
    Result<T> result;
    Millis retry_after{0};
  };
  template <typename T, typename Start>
  static Checked<T> wait_checked(Start start) {
    return store::wait_for<Checked<T>>([&](auto done) {
      start([done](Result<T> result, Millis retry_after) { done({std::move(result), retry_after}); });
    });
  }

  Result<store::Project> create_project(const std::string& name, const std::string& id = {},
                                        bool koophone_only = false) {
    return wait<store::Project>([&](auto done) { identity_->create_project(name, id, koophone_only, done); });
  }
  Result<NewToken> create_token(const std::string& project, const std::string& policy = kAllOfIt,
                                Seconds lifetime = Seconds(3600)) {
    return wait<NewToken>([&](auto done) { identity_->create_token(project, policy, lifetime, done); });
  }
  Result<> revoke_token(const std::string& id) {
    return wait<void>([&](auto done) { identity_->revoke_token(id, done); });
  }
  Result<UserView> create_user(const std::string& name, std::vector<GrantView> grants = {},
                               const std::string& password = kPassword) {
    return wait<UserView>([&](auto done) { identity_->create_user({name, password, grants}, done); });
  }
  Result<UserView> change_user(const std::string& name, const UserChange& change) {
    return wait<UserView>([&](auto done) { identity_->change_user(name, change, done); });
  }
  Result<> remove_user(const std::string& name) {
    return wait<void>([&](auto done) { identity_->remove_user(name, done); });
  }
  Result<UserView> add_grant(const std::string& user, const GrantView& grant) {
    return wait<UserView>([&](auto done) { identity_->add_grant(user, grant, done); });
  }
  Result<UserView> remove_grant(const std::string& user, const GrantView& grant) {
    return wait<UserView>([&](auto done) { identity_->remove_grant(user, grant, done); });
  }
  Result<NewKey> create_key(const std::string& user, const std::string& id = {},
                            const std::string& secret = {}) {
    return wait<NewKey>([&](auto done) { identity_->create_key(user, id, secret, done); });
  }
  Result<> remove_key(const std::string& id) {
    return wait<void>([&](auto done) { identity_->remove_key(id, done); });
  }
  Result<> put_policy(const std::string& name, const std::string& text) {
    return wait<void>([&](auto done) { identity_->put_policy(name, text, done); });
  }
  Result<> remove_policy(const std::string& name) {
    return wait<void>([&](auto done) { identity_->remove_policy(name, done); });
  }
  // From another address at each call unless one is given, so that no try slows the next.
  Checked<NewSession> try_log_in(Login login) {
    if (login.address.empty()) {
      ++addresses_;
      login.address = "10.0." + std::to_string(addresses_ / 250) + "." + std::to_string(addresses_ % 250);
    }
    return wait_checked<NewSession>([&](auto done) { identity_->log_in(login, done); });
  }
  Result<NewSession> log_in(const std::string& user, const std::string& project = {},
                            const std::string& password = kPassword) {
    return try_log_in({user, password, {}, project}).result;
  }
  Result<> end_session(const std::string& secret) {
    return wait<void>([&](auto done) { identity_->end_session(secret, done); });
  }
  Result<> change_password(std::int64_t user, const std::string& from, const std::string& to) {
    return wait_checked<void>([&](auto done) { identity_->change_password(user, from, to, "local", done); })
        .result;
  }

  bool is_let_in(const std::string& secret) const { return identity_->authenticate(secret) != nullptr; }

  // All that is on the disk.
  std::string stored() const {
    std::string bytes;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.file(""))) {
      std::ifstream file(entry.path(), std::ios::binary);
      bytes.append(std::istreambuf_iterator<char>(file), {});
    }
    return bytes;
  }

  TurnableClock clock_;
  store::TempDir dir_;
  prometheus::Registry registry_;
  IdentityOptions options_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Identity> identity_;
  int addresses_ = 0;
};

// With code `errc`.
MATCHER_P(FailsWith, errc, "") {
  if (arg) {
    *result_listener << "it is no failure";
    return false;
  }
  *result_listener << arg.error().message;
  return arg.error().code == std::error_code(errc);
}

}  // namespace drover::identity
