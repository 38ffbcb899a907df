// Users, projects, roles, tokens and access keys: who somebody is, and what he may do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "identity/errc.h"
#include "identity/master_key.h"
#include "identity/policy.h"
#include "identity/principal.h"
#include "identity/signature.h"
#include "identity/views.h"
#include "store/store.h"

namespace drover::identity {

class PasswordWorker;

inline constexpr std::string_view kAdministrator = "KooPhone Administrator";
inline constexpr std::string_view kReadOnlyUser = "KooPhone ReadOnlyUser";

// Any thread. Everything is held in memory, and a change is stored before it counts; from then on it counts
// for the next request, sessions included. Changes are made one after the other, so that none is judged by
// what another is about to take away. Their answers come inside the call, on a store's thread or on a hashing
// one.
//
// Stored rows that are damaged give nobody more than whole ones would: a policy that cannot be read denies
// everything to whoever holds it, an access key that does not open signs nothing. Both are logged at the
// start.
//
// Errors beside those named: store::Errc.
class Identity {
 public:
  template <typename T = void>
  using Done = std::function<void(Result<T>)>;
  // `retry_after` is more than 0 with kThrottled and kBusy.
  template <typename T = void>
  using CheckedDone = std::function<void(Result<T>, Millis retry_after)>;

  // Blocking: reads all from the store, which outlives it.
  static Result<std::unique_ptr<Identity>> load(const Clock& clock, store::Store& store, const MasterKey& key,
                                                IdentityOptions options = {});
  ~Identity();

  // Any thread: what another node has stored counts from now on, instead of all that did.
  void reload(store::IdentityRows rows);

  // Waits for passwords that are being checked, and gives up those that wait for it: what they were for is
  // told as failed or done before it returns, and later ones are refused. To be called before what its
  // answers go to is destroyed, by one thread, when no more of them come from elsewhere.
  void stop();

  // Blocking. If there is no user at all, makes "admin", administrator of all projects; nothing if there is
  // one. An empty password: one is made and given back. kBadPassword.
  Result<std::optional<FirstAdministrator>> make_first_administrator(const std::string& password = {});

  // --- who asks; no disk, and no exclusive lock but at somebody's first request after a change

  // Who holds this token, be it an operator's or a session? Null for an unknown, expired or revoked one, and
  // for one of a user who is disabled or has lost every role in its project. An unscoped session's principal
  // has project 0.
  PrincipalPtr authenticate(std::string_view secret) const;
  // Who signed this request? `project`: id or name, from X-Project-Id; empty: the only project that the user
  // has a role in, or none. In none, and in a project without a role, be there one or not, the principal has
  // project 0. kBadAuthorization, kStale, kBadSignature (also for a key that is not known or whose user is
  // disabled: the same answer, in the same time; expect() does tell, and a key's id is no secret).
  Result<PrincipalPtr> authenticate(const SignedRequest& request, std::string_view authorization,
                                    std::string_view project) const;
  // What of that can be said before the body is there: kBadAuthorization, kStale, kBadSignature for a key
  // that is not known. For refusing large bodies early. Does not say who it would be: nothing is proven yet,
  // so nobody's rate may be counted and nobody's rights be told.
  Result<> expect(const SignedRequest& request, std::string_view authorization) const;
  // As who the server's own user acts, over the Unix socket: administrator of everything. `project`: name or
  // id; empty: none (project 0). Null: no such project.
  PrincipalPtr local(std::string_view project) const;

  // --- sessions, as Keystone has them

  // kBadCredentials for every reason that lies with user, password or project, in the same time; kThrottled
  // after too many of these, kBusy when too many log in at once.
  void log_in(Login login, CheckedDone<NewSession> done);
  // Nothing if it is none that counts now.
  std::optional<SessionView> session(std::string_view secret) const;
  // kNotFound: no session that counts now.
  void end_session(std::string_view secret, Done<> done);
  // The projects in which somebody holds a role, oldest first; all of them for a node administrator.
  std::vector<store::Project> projects_of(const Principal& who) const;
  std::vector<store::Project> projects_of(std::string_view user) const;  // none if there is no such user

  // --- administration. Users and projects are named by name or id, policies by name. kBadName for names that
  // are no names, kNotFound, store::Errc::kExists

  // `id`: 32 lower-case hex digits, so that a client keeps the one it knows (kBadId); empty: a new one.
  void create_project(std::string name, std::string id, bool koophone_commands_only,
                      Done<store::Project> done);
  std::vector<store::Project> projects() const;  // oldest first
  std::optional<store::Project> project(std::string_view name_or_id) const;
  std::string project_name(std::int64_t seq) const;  // empty: none

  // `policy`: kAdministrator, kReadOnlyUser or a policy's name. kBadLifetime: not 1 s to 10 years.
  void create_token(std::string_view project, std::string policy, Seconds lifetime, Done<NewToken> done);
  void revoke_token(std::string id, Done<> done);
  std::vector<TokenView> tokens(std::string_view project) const;  // empty: of all; newest first

  void create_user(NewUser user, Done<UserView> done);  // kBadPassword, kBusy
  // A new password and disabling end the user's sessions. kBadPassword, kBusy.
  void change_user(std::string_view user, UserChange change, Done<UserView> done);
  // For users themselves: checks the old password first, as a login does (kBadCredentials, kThrottled,
  // kBusy). kBadPassword for the new one.
  void change_password(std::int64_t user, std::string old_password, std::string new_password,
                       std::string address, CheckedDone<> done);
  void remove_user(std::string_view user, Done<> done);  // with grants and keys
  std::vector<UserView> users() const;                   // by name
  std::optional<UserView> user(std::string_view name_or_id) const;
  void add_grant(std::string_view user, GrantView grant, Done<UserView> done);
  void remove_grant(std::string_view user, GrantView grant, Done<UserView> done);

  // `id` and `secret` of a key that a client has already, or both empty for a new pair. kBadKey: not 1 to 64
  // of A-Z a-z 0-9 _ - (id), 8 to 128 visible ASCII characters (secret).
  void create_key(std::string_view user, std::string id, std::string secret, Done<NewKey> done);
  void remove_key(std::string id, Done<> done);
  std::vector<KeyView> keys(std::string_view user) const;  // empty: of all; newest first

  void put_policy(std::string name, std::string text, Done<> done);  // kBadPolicy
  void remove_policy(std::string name, Done<> done);                 // kInUse: a grant or a token names it
  std::vector<store::Policy> policies() const;                       // by name, without the system roles
  std::optional<store::Policy> policy(std::string_view name) const;
  // What the user may do there, or who holds that policy or system role; for trying policies. kNotFound.
  Result<Permissions> permissions(std::string_view user, std::string_view project) const;
  Result<Permissions> permissions_of_policy(std::string_view policy) const;

 private:
  struct State;
  explicit Identity(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;            // shared with changes that are under way
  std::unique_ptr<PasswordWorker> worker_;  // goes first; what it calls uses the state
};

}  // namespace drover::identity
