// What somebody has shown to hold, and the principals that are made of it.
#include <algorithm>
#include <utility>

#include "identity/directory.h"

namespace drover::identity {
namespace {

// Of something that lives for ever.
std::shared_ptr<const Policy> unowned(const Policy& policy) {
  return {std::shared_ptr<const Policy>(), &policy};
}

}  // namespace

// It might have been there to deny something, so whoever holds it may do nothing until it can be read again.
std::shared_ptr<const Policy> denies_all(std::string name) {
  Statement statement;
  statement.actions.set();
  return std::make_shared<const Policy>(Policy{std::move(name), {std::move(statement)}});
}

std::shared_ptr<const Policy> Directory::rules(std::string_view policy) const {
  if (policy == administrator().name) return unowned(administrator());
  if (policy == read_only_user().name) return unowned(read_only_user());
  const auto it = policies_.find(policy);
  return it == policies_.end() ? nullptr : it->second.rules;
}

std::optional<Directory::Claim> Directory::claim(const Digest& token, std::int64_t now_ms) const {
  const auto it = tokens_.find(token);
  if (it == tokens_.end() || it->second.row.expires_ms <= now_ms) return std::nullopt;
  return Claim{.token = &it->second, .project = it->second.row.project};
}

std::optional<Directory::Claim> Directory::claim(const Session& session, std::int64_t now_ms) const {
  const User* const found = user(session.user);
  if (found == nullptr || !found->row.enabled || session.expires_ms <= now_ms ||
      session.issued_ms < found->row.sessions_from_ms || is_revoked(session)) {
    return std::nullopt;
  }
  if (session.project != 0 && !has_role(*found, session.project)) return std::nullopt;
  return Claim{.user = found, .project = session.project};
}

Directory::Claim Directory::claim(const Key& key, std::string_view project) const {
  const User& owner = users_.at(key.row.user);
  return {.user = &owner, .key = &key, .project = scope(owner, project).value_or(0)};
}

bool Directory::has_role(const User& user, std::int64_t project) const {
  return projects_.contains(project) && std::ranges::any_of(user.grants, [&](const store::Grant& grant) {
           return grant.project == 0 || grant.project == project;
         });
}

std::optional<std::int64_t> Directory::scope(const User& user, std::string_view name_or_id) const {
  if (!name_or_id.empty()) {
    const Project* const named = project(name_or_id);
    if (named == nullptr || !has_role(user, named->row.seq)) return std::nullopt;
    return named->row.seq;
  }
  std::int64_t only = 0;
  for (const store::Grant& grant : user.grants) {
    const std::int64_t in =
        grant.project != 0 || projects_.size() != 1 ? grant.project : projects_.begin()->first;
    if (in == 0 || (only != 0 && in != only)) return 0;
    only = in;
  }
  return only;
}

std::vector<std::string> Directory::roles(const User& user, std::int64_t project) const {
  std::set<std::string> roles;
  for (const store::Grant& grant : user.grants) {
    if (project != 0 && (grant.project == 0 || grant.project == project)) roles.insert(grant.policy);
  }
  return {roles.begin(), roles.end()};
}

Permissions Directory::permissions(const std::vector<std::string>& roles) const {
  std::vector<std::shared_ptr<const identity::Policy>> held;
  held.reserve(roles.size());
  for (const std::string& role : roles) {
    auto found = rules(role);
    held.push_back(found != nullptr ? std::move(found) : denies_all(role));
  }
  return Permissions(std::move(held));
}

PrincipalPtr Directory::made(const Claim& claim) const {
  if (claim.token != nullptr) return claim.token->who;
  const Principals& made = claim.key != nullptr ? claim.key->principals : claim.user->principals;
  const auto it = made.find(claim.project);
  return it == made.end() ? nullptr : it->second;
}

PrincipalPtr Directory::make(const Claim& claim) {
  if (auto there = made(claim)) return there;
  Principal who;
  who.roles =
      claim.token != nullptr ? std::vector{claim.token->row.policy} : roles(*claim.user, claim.project);
  who.permissions = permissions(who.roles);
  if (const Project* const in = project(claim.project)) {
    who.project = in->row.seq;
    who.project_id = in->row.id;
    who.project_name = in->row.name;
    who.koophone_commands_only = in->row.koophone_commands_only;
  }
  if (claim.token != nullptr) {
    who.actor = "token:" + claim.token->row.id;
    who.limit_key = claim.token->limit_key;
    return claim.token->who = std::make_shared<const Principal>(std::move(who));
  }
  const store::User& user = claim.user->row;
  who.user = who.limit_key = user.seq;
  who.user_id = user.id;
  who.user_name = user.name;
  who.actor = "user:" + user.name;
  if (claim.key != nullptr) who.actor = "key:" + claim.key->row.id + " of " + who.actor;
  who.node_admin = claim.user->grants.contains({user.seq, 0, administrator().name});
  Principals& kept = claim.key != nullptr ? claim.key->principals : claim.user->principals;
  return kept[claim.project] = std::make_shared<const Principal>(std::move(who));
}

}  // namespace drover::identity
