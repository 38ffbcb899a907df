// Users, and the roles they hold.
#include <algorithm>
#include <future>
#include <utility>

#include "identity/password.h"
#include "identity/password_worker.h"
#include "identity/state.h"

namespace drover::identity {
namespace {

Result<store::Grant> grant_of(const Directory& all, const GrantView& view) {
  store::Grant grant;
  grant.policy = view.policy;
  if (all.rules(view.policy) == nullptr) return not_found("role", view.policy);
  if (view.project.empty()) return grant;
  const Directory::Project* const project = all.project(view.project);
  if (project == nullptr) return not_found("project", view.project);
  grant.project = project->row.seq;
  return grant;
}

Result<std::vector<store::Grant>> grants_of(const Directory& all, const std::vector<GrantView>& views) {
  std::set<store::Grant> grants;
  for (const GrantView& view : views) {
    Result<store::Grant> grant = grant_of(all, view);
    if (!grant) return Failure(std::move(grant.error()));
    grants.insert(*std::move(grant));
  }
  return std::vector(grants.begin(), grants.end());
}

// Another node may have removed the user since.
Result<UserView> view_of(const Directory& all, std::int64_t user) {
  const Directory::User* const found = all.user(user);
  if (found == nullptr) return not_found("user", "it was removed meanwhile");
  return all.view(*found);
}

}  // namespace

void Identity::create_user(NewUser user, Done<UserView> done) {
  if (!is_user_name(user.name)) {
    return done(
        failure(Errc::kBadName, "a user's name must be 1 to 64 of A-Z a-z 0-9 _ - . @ and inner spaces"));
  }
  if (user.password.empty()) return state_->add_user(std::move(user), {}, std::move(done));
  std::string password = std::exchange(user.password, {});
  worker_->hash(std::move(password),
                [state = state_, user = std::move(user), done = std::move(done)](Result<std::string> hash) {
                  if (!hash) return done(Failure(std::move(hash.error())));
                  state->add_user(user, *std::move(hash), done);
                });
}

void Identity::State::add_user(NewUser user, std::string hash, Done<UserView> done) {
  store::User row;
  row.id = make_id();
  row.name = std::move(user.name);
  row.password = std::move(hash);
  row.created_ms = clock.unix_ms();
  turns.take([self = shared_from_this(), row = std::move(row), views = std::move(user.grants),
              done = std::move(done)](Turn turn) {
    if (self->read([&](const Directory& all) { return all.user(row.name) != nullptr; })) {
      return done(exists("user", row.name));
    }
    auto grants = self->read([&](const Directory& all) { return grants_of(all, views); });
    if (!grants) return done(Failure(std::move(grants.error())));
    self->store.add_user(row, *grants,
                         [self, done, grants = *grants, turn = std::move(turn)](Result<store::User> stored) {
                           if (!stored) return done(Failure(std::move(stored.error())));
                           done(self->write([&](Directory& all) -> Result<UserView> {
                             all.add(*stored, grants);
                             return all.view(*all.user(stored->seq));
                           }));
                         });
  });
}

void Identity::change_user(std::string_view user, UserChange change, Done<UserView> done) {
  auto update = [state = state_, user = std::string(user), enabled = change.enabled,
                 done](std::optional<std::string> hash) {
    state->change<UserView>(
        [state = state.get(), user, enabled,
         hash = std::move(hash)](const Directory& all) -> Result<State::Change<UserView>> {
          const Directory::User* const found = all.user(user);
          if (found == nullptr) return not_found("user", user);
          return state->changed(*found, hash, enabled);
        },
        done);
  };
  if (!change.password) return update(std::nullopt);
  worker_->hash(*std::move(change.password),
                [update = std::move(update), done = std::move(done)](Result<std::string> hash) {
                  if (!hash) return done(Failure(std::move(hash.error())));
                  update(*std::move(hash));
                });
}

Identity::State::Change<UserView> Identity::State::changed(const Directory::User& user,
                                                           const std::optional<std::string>& hash,
                                                           std::optional<bool> enabled) const {
  store::User row = user.row;
  if (hash) row.password = *hash;
  if (enabled) row.enabled = *enabled;
  // Sessions given out until now end; those that follow do not. The clock may have been set back.
  if (hash || !row.enabled) {
    row.sessions_from_ms = std::max({clock.unix_ms(), user.newest_session_ms + 1, user.row.sessions_from_ms});
  }
  return {store::change::UpdateUser{row}, [row](Directory& all) -> Result<UserView> {
            all.update(row);
            return view_of(all, row.seq);
          }};
}

void Identity::remove_user(std::string_view user, Done<> done) {
  state_->change<void>(
      [user = std::string(user)](const Directory& all) -> Result<State::Change<void>> {
        const Directory::User* const found = all.user(user);
        if (found == nullptr) return not_found("user", user);
        return State::Change<void>{store::change::RemoveUser{found->row.seq},
                                   [seq = found->row.seq](Directory& from) -> Result<> {
                                     from.remove_user(seq);
                                     return {};
                                   }};
      },
      std::move(done));
}

std::vector<UserView> Identity::users() const {
  auto out = state_->read([](const Directory& all) {
    std::vector<UserView> views;
    views.reserve(all.users().size());
    for (const auto& [seq, user] : all.users()) views.push_back(all.view(user));
    return views;
  });
  std::ranges::sort(out, {}, &UserView::name);
  return out;
}

std::optional<UserView> Identity::user(std::string_view name_or_id) const {
  return state_->read([&](const Directory& all) -> std::optional<UserView> {
    const Directory::User* const found = all.user(name_or_id);
    if (found == nullptr) return std::nullopt;
    return all.view(*found);
  });
}

void Identity::add_grant(std::string_view user, GrantView grant, Done<UserView> done) {
  state_->change<UserView>(
      [user = std::string(user),
       grant = std::move(grant)](const Directory& all) -> Result<State::Change<UserView>> {
        const Directory::User* const found = all.user(user);
        if (found == nullptr) return not_found("user", user);
        Result<store::Grant> row = grant_of(all, grant);
        if (!row) return Failure(std::move(row.error()));
        row->user = found->row.seq;
        if (found->grants.contains(*row)) return exists("this grant", grant.policy);
        return State::Change<UserView>{store::change::AddGrant{*row},
                                       [row = *row](Directory& to) -> Result<UserView> {
                                         to.add(row);
                                         return view_of(to, row.user);
                                       }};
      },
      std::move(done));
}

void Identity::remove_grant(std::string_view user, GrantView grant, Done<UserView> done) {
  state_->change<UserView>(
      [user = std::string(user),
       grant = std::move(grant)](const Directory& all) -> Result<State::Change<UserView>> {
        const Directory::User* const found = all.user(user);
        if (found == nullptr) return not_found("user", user);
        store::Grant row{found->row.seq, 0, grant.policy};
        if (!grant.project.empty()) {
          const Directory::Project* const project = all.project(grant.project);
          if (project == nullptr) return not_found("project", grant.project);
          row.project = project->row.seq;
        }
        if (!found->grants.contains(row)) return not_found("grant of this role there", grant.policy);
        return State::Change<UserView>{store::change::RemoveGrant{row},
                                       [row](Directory& from) -> Result<UserView> {
                                         from.remove(row);
                                         return view_of(from, row.user);
                                       }};
      },
      std::move(done));
}

Result<std::optional<FirstAdministrator>> Identity::make_first_administrator(const std::string& password) {
  if (state_->read([](const Directory& all) { return !all.users().empty(); })) return std::nullopt;
  FirstAdministrator made{"admin", password.empty() ? make_password() : std::string()};
  std::promise<Result<UserView>> promise;
  create_user({made.name, password.empty() ? made.password : password, {{{}, std::string(kAdministrator)}}},
              [&](Result<UserView> user) { promise.set_value(std::move(user)); });
  if (const Result<UserView> user = promise.get_future().get(); !user) return Failure(user.error());
  return made;
}

}  // namespace drover::identity
