// Logging in, and the sessions that come of it.
#include <algorithm>
#include <utility>

#include "base/base64url.h"
#include "base/id.h"
#include "identity/password.h"
#include "identity/password_worker.h"
#include "identity/state.h"

namespace drover::identity {
namespace {

constexpr Millis kWhileBusy{1'000};

std::string text_of(const Session& session) { return {session.audit.begin(), session.audit.end()}; }

}  // namespace

bool Identity::State::Attempt::is_of(const Directory::User* found) const {
  return found != nullptr && found->row.enabled && !hash.empty() && found->row.password == hash;
}

Identity::State::AttemptPtr Identity::State::attempt(const Directory::User* user, std::string_view claimed,
                                                     std::string address) {
  auto attempt = std::make_shared<Attempt>();
  attempt->address = std::move(address);
  if (user == nullptr) {
    attempt->name = claimed;
  } else {
    attempt->name = user->row.name;
    attempt->user = user->row.seq;
    attempt->hash = user->row.password;
  }
  return attempt;
}

void Identity::State::check(PasswordWorker& worker, const AttemptPtr& attempt, std::string password,
                            CheckedDone<bool> then) {
  if (const auto wait = throttle.wait_before(attempt->name, attempt->address)) {
    return then(failure(Errc::kThrottled), *wait);
  }
  worker.verify(attempt->hash, std::move(password),
                [self = shared_from_this(), attempt, then = std::move(then)](Result<bool> right) {
                  if (right) return then(std::move(right), Millis(0));
                  self->throttle.not_tried(attempt->name, attempt->address);
                  then(std::move(right), kWhileBusy);
                });
}

Result<NewSession> Identity::State::give_session(const Attempt& attempt, const std::string& project,
                                                 bool unscoped) {
  const std::lock_guard lock(mutex);
  // As it is by now: the password may have been changed while this one was being checked.
  const Directory::User* const user = directory.user(attempt.user);
  if (!attempt.is_of(user)) return failure(Errc::kBadCredentials);
  const auto in = unscoped ? std::optional<std::int64_t>(0) : directory.scope(*user, project);
  if (!in) return failure(Errc::kBadCredentials);
  Session session;
  session.user = attempt.user;
  session.project = *in;
  session.issued_ms = std::max(clock.unix_ms(), user->row.sessions_from_ms);
  session.expires_ms = session.issued_ms + Millis(options.session_lifetime).count();
  fill_random(session.audit.data(), session.audit.size());
  directory.session_given(session.user, session.issued_ms);
  return NewSession{seal_session(key, session), directory.view(session)};
}

void Identity::log_in(Login login, CheckedDone<NewSession> done) {
  const auto attempt = state_->read([&](const Directory& all) {
    return State::attempt(all.user(login.user), login.user, std::move(login.address));
  });
  std::string password = std::exchange(login.password, {});
  state_->check(*worker_, attempt, std::move(password),
                [state = state_, attempt, login = std::move(login), done = std::move(done)](
                    Result<bool> right, Millis wait) {
                  if (!right) return done(Failure(std::move(right.error())), wait);
                  // In turn with changes, so that one that ends the user's sessions ends this one, or comes
                  // before it; also for those who are refused, who are to wait as long.
                  state->turns.take([=, right = *right](const Turn&) {
                    auto session = right ? state->give_session(*attempt, login.project, login.unscoped)
                                         : failure(Errc::kBadCredentials);
                    if (session) state->throttle.succeeded(attempt->name, attempt->address);
                    done(std::move(session), Millis(0));
                  });
                });
}

void Identity::change_password(std::int64_t user, std::string old_password, std::string new_password,
                               std::string address, CheckedDone<> done) {
  if (new_password.size() < kShortestPassword || new_password.size() > kLongestPassword) {
    return done(failure(Errc::kBadPassword), Millis(0));
  }
  const auto attempt = state_->read(
      [&](const Directory& all) { return State::attempt(all.user(user), {}, std::move(address)); });
  state_->check(*worker_, attempt, std::move(old_password),
                [state = state_, attempt, new_password = std::move(new_password), done = std::move(done)](
                    Result<bool> right, Millis wait) {
                  if (right && !*right) right = failure(Errc::kBadCredentials);
                  if (!right) return done(Failure(std::move(right.error())), wait);
                  state->throttle.succeeded(attempt->name, attempt->address);
                  Result<std::string> hash = hash_password(new_password);  // on the hashing thread
                  if (!hash) return done(Failure(std::move(hash.error())), Millis(0));
                  state->replace_password(attempt, *std::move(hash), done);
                });
}

void Identity::State::replace_password(const AttemptPtr& attempt, std::string hash, CheckedDone<> done) {
  change<UserView>(
      [this, attempt, hash = std::move(hash)](const Directory& all) -> Result<Change<UserView>> {
        const Directory::User* const found = all.user(attempt->user);
        if (!attempt->is_of(found)) return failure(Errc::kBadCredentials);
        return changed(*found, hash, std::nullopt);
      },
      [done = std::move(done)](Result<UserView> user) {
        done(user ? Result<>() : Failure(std::move(user.error())), Millis(0));
      });
}

std::optional<SessionView> Identity::session(std::string_view secret) const {
  const auto session = open_session(state_->key, secret);
  if (!session) return std::nullopt;
  return state_->read([&](const Directory& all) -> std::optional<SessionView> {
    if (!all.claim(*session, state_->clock.unix_ms())) return std::nullopt;
    return all.view(*session);
  });
}

void Identity::end_session(std::string_view secret, Done<> done) {
  const auto session = open_session(state_->key, secret);
  const std::int64_t now_ms = state_->clock.unix_ms();
  if (!session ||
      !state_->read([&](const Directory& all) { return all.claim(*session, now_ms).has_value(); })) {
    return done(failure(Errc::kNotFound, "no such session"));
  }
  // Out of turn: nothing else depends on it.
  store::Revocation revocation{text_of(*session), session->expires_ms};
  store::change::Revoke revoke{revocation, now_ms};
  state_->store.change_identity(
      std::move(revoke), [state = state_, revocation, now_ms, done = std::move(done)](Result<> stored) {
        if (stored) state->write([&](Directory& all) { all.revoke(revocation, now_ms); });
        done(std::move(stored));
      });
}

}  // namespace drover::identity
