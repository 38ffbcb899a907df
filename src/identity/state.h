// What the parts of Identity share. Private to this room.
#pragma once

#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>

#include "identity/directory.h"
#include "identity/identity.h"
#include "identity/login_throttle.h"
#include "identity/secret.h"
#include "identity/turns.h"

namespace drover::identity {

class PasswordWorker;

struct Identity::State : std::enable_shared_from_this<Identity::State> {
  State(const Clock& wall, store::Store& rows, const MasterKey& master, IdentityOptions with)
      : clock(wall), store(rows), key(master), options(with), throttle(wall) {}

  const Clock& clock;
  store::Store& store;
  const MasterKey key;
  const IdentityOptions options;
  const Hasher sha256;
  // Signatures of keys that are not there are checked with it: in vain, but for as long.
  const std::string nobodys_secret = make_secret();
  LoginThrottle throttle;
  Turns turns;
  // Held for look-ups by readers, of which several may be inside; alone, to make what was stored count.
  mutable std::shared_mutex mutex;
  Directory directory;

  template <typename Look>
  auto read(Look look) const {
    const std::shared_lock lock(mutex);
    return look(directory);
  }

  // The principal of what `claim_of(directory)` says was shown to be held.
  template <typename ClaimOf>
  PrincipalPtr principal(ClaimOf claim_of) {
    {
      const std::shared_lock lock(mutex);
      const std::optional<Directory::Claim> claim = claim_of(directory);
      if (!claim) return nullptr;
      if (PrincipalPtr who = directory.made(*claim)) return who;
    }
    const std::lock_guard lock(mutex);
    const std::optional<Directory::Claim> claim = claim_of(directory);  // it may have changed in between
    return claim ? directory.make(*claim) : nullptr;
  }

  // What is to be stored, and what makes it count afterwards and gives the answer.
  template <typename T>
  struct Change {
    store::IdentityChange what;
    std::function<Result<T>(Directory&)> apply;
  };
  // One change: planned when its turn has come, so that nothing else changes until it counts.
  template <typename T>
  void change(std::function<Result<Change<T>>(const Directory&)> plan, Done<T> done) {
    turns.take([self = shared_from_this(), plan = std::move(plan), done = std::move(done)](Turn turn) {
      Result<Change<T>> planned = self->read(plan);
      if (!planned) return done(Failure(std::move(planned.error())));
      self->store.change_identity(
          std::move(planned->what),
          [self, done, turn = std::move(turn), apply = std::move(planned->apply)](Result<> stored) {
            done(stored ? self->write(apply) : Failure(std::move(stored.error())));
          });
    });
  }

  void fill(store::IdentityRows rows);
  void add(store::AccessKey row);

  // Changes of users: users.cc
  void add_user(NewUser user, std::string hash, Done<UserView> done);
  Change<UserView> changed(const Directory::User& user, const std::optional<std::string>& hash,
                           std::optional<bool> enabled) const;

  // A password that somebody gave is checked against what was the user's then: sessions.cc
  struct Attempt {
    std::string name;  // the user's; as claimed, if there is none
    std::string address;
    std::int64_t user = 0;
    std::string hash;  // empty: no password is right

    // Whether the user may still log in with that password.
    bool is_of(const Directory::User* found) const;
  };
  using AttemptPtr = std::shared_ptr<const Attempt>;
  static AttemptPtr attempt(const Directory::User* user, std::string_view claimed, std::string address);
  void check(PasswordWorker& worker, const AttemptPtr& attempt, std::string password, CheckedDone<bool> then);
  Result<NewSession> give_session(const Attempt& attempt, const std::string& project, bool unscoped);
  void replace_password(const AttemptPtr& attempt, std::string hash, CheckedDone<> done);

  template <typename Apply>
  auto write(Apply apply) {
    const std::lock_guard lock(mutex);
    return apply(directory);
  }
};

// 1 to 64 of A-Z a-z 0-9 _ - and, for users, also of . @ and spaces that are not at an end: what the service
// lets its users be called.
bool is_user_name(std::string_view name);
// 1 to 64 of A-Z a-z 0-9 _ -
bool is_name(std::string_view name);
// 32 lower-case hex digits.
std::string make_id();

// "no such project: blue"
Failure not_found(std::string_view what, std::string_view name);
Failure exists(std::string_view what, std::string_view name);

}  // namespace drover::identity
