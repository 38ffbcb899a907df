// Who and what there is: the tables that every request looks into, and the principals made of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "identity/principal.h"
#include "identity/secret.h"
#include "identity/session_token.h"
#include "identity/views.h"
#include "store/types.h"

namespace drover::identity {

// A policy under which nothing is allowed, whatever else somebody holds.
std::shared_ptr<const Policy> denies_all(std::string name);

// Threads: any number inside const functions, or one inside another. Pointers are good until a change.
class Directory {
 public:
  using Principals = std::unordered_map<std::int64_t, PrincipalPtr>;  // by project

  struct Project {
    store::Project row;
    PrincipalPtr local;  // the server's own user in it
  };
  // Principals are made when first asked for, by make(), and dropped by every change that they depend on.
  struct Token {
    store::Token row;
    std::int64_t limit_key = 0;
    mutable PrincipalPtr who;
  };
  struct User {
    store::User row;
    std::set<store::Grant> grants;
    std::int64_t newest_session_ms = 0;  // when the last one was given out
    mutable Principals principals;
  };
  struct Key {
    store::AccessKey row;
    std::shared_ptr<const std::string> secret;  // null: it does not open, so it signs nothing
    mutable Principals principals;
  };
  struct Policy {
    store::Policy row;
    std::shared_ptr<const identity::Policy> rules;
  };

  Directory();

  // --- tables. Adding what is there replaces it.

  void add(store::Project row);
  void add(const Digest& digest, store::Token row);  // left out if its project is not there
  void remove_token(std::string_view id);
  void add(store::User row, const std::vector<store::Grant>& grants);
  void update(store::User row);
  void remove_user(std::int64_t seq);  // with its keys
  void add(const store::Grant& grant);
  void remove(const store::Grant& grant);
  void add(store::AccessKey row, std::shared_ptr<const std::string> secret);
  void remove_key(std::string_view id);
  // `rules` null: the text cannot be read, and denies everything.
  void put(store::Policy row, std::shared_ptr<const identity::Policy> rules);
  void remove_policy(std::string_view name);
  void revoke(const store::Revocation& revocation, std::int64_t now_ms);
  // Of what was there before all was read anew: keys of limits are not given twice,
  void follow(const Directory& before) { last_limit_key_ = before.last_limit_key_; }
  // and what is not stored goes on.
  void keep(const Directory& before);
  void session_given(std::int64_t user, std::int64_t issued_ms);

  const std::map<std::int64_t, Project>& projects() const { return projects_; }
  const std::unordered_map<Digest, Token, DigestHash>& tokens() const { return tokens_; }
  const std::unordered_map<std::int64_t, User>& users() const { return users_; }
  const std::map<std::string, Key, std::less<>>& keys() const { return keys_; }
  const std::map<std::string, Policy, std::less<>>& policies() const { return policies_; }

  // Null: there is none. By id, or else by name.
  const Project* project(std::string_view name_or_id) const;
  const Project* project(std::int64_t seq) const;
  const User* user(std::string_view name_or_id) const;
  const User* user(std::int64_t seq) const;
  const Key* key(std::string_view id) const;
  // Null also for one that does not open, or whose user is disabled.
  const Key* signing_key(std::string_view id) const;
  const Token* token(std::string_view id) const;
  // A policy's or a system role's rules; null: there is none of that name.
  std::shared_ptr<const identity::Policy> rules(std::string_view policy) const;
  // Who names that policy, for people; empty: nobody.
  std::string holder_of(std::string_view policy) const;

  // --- who asks

  // What somebody has shown to hold, and where.
  struct Claim {
    const Token* token = nullptr;
    const User* user = nullptr;
    const Key* key = nullptr;  // of that user, who signed with it
    std::int64_t project = 0;
  };
  // Nothing: it does not count.
  std::optional<Claim> claim(const Digest& token, std::int64_t now_ms) const;
  std::optional<Claim> claim(const Session& session, std::int64_t now_ms) const;
  // `project` as Identity::authenticate has it.
  Claim claim(const Key& key, std::string_view project) const;

  // Null: not made yet.
  PrincipalPtr made(const Claim& claim) const;
  PrincipalPtr make(const Claim& claim);
  PrincipalPtr local() const { return local_; }  // the server's own user in no project

  // Also for projects that are not there: nobody has one.
  bool has_role(const User& user, std::int64_t project) const;
  // The number of the project that a name or id stands for: empty for the only one that the user has a role
  // in, or none (0). Nothing: the user has no role there, be there such a project or not.
  std::optional<std::int64_t> scope(const User& user, std::string_view name_or_id) const;
  // Names of the roles that the user holds in a project, those in all projects included; sorted.
  std::vector<std::string> roles(const User& user, std::int64_t project) const;
  Permissions permissions(const std::vector<std::string>& roles) const;

  UserView view(const User& user) const;
  SessionView view(const Session& session) const;  // of a user who is there
  TokenView view(const Token& token) const;
  KeyView view(const Key& key) const;

 private:
  User* find_user(std::int64_t seq);
  void drop_principals(std::int64_t user);
  void drop_principals();
  bool is_revoked(const Session& session) const;

  std::map<std::int64_t, Project> projects_;
  std::map<std::string, std::int64_t, std::less<>> projects_by_name_;
  std::map<std::string, std::int64_t, std::less<>> projects_by_id_;
  std::unordered_map<Digest, Token, DigestHash> tokens_;
  std::map<std::string, Digest, std::less<>> tokens_by_id_;
  std::int64_t last_limit_key_ = 0;
  std::unordered_map<std::int64_t, User> users_;
  std::map<std::string, std::int64_t, std::less<>> users_by_name_;
  std::map<std::string, std::int64_t, std::less<>> users_by_id_;
  std::map<std::string, Key, std::less<>> keys_;
  std::map<std::string, Policy, std::less<>> policies_;
  std::unordered_map<std::string, std::int64_t> revoked_;  // until when it matters, by the session's 16 bytes
  std::size_t sweep_at_ = 64;                              // as many revocations are worth looking through
  PrincipalPtr local_;
};

}  // namespace drover::identity
