#include "identity/directory.h"

#include <algorithm>
#include <utility>

#include "base/base64url.h"

namespace drover::identity {
namespace {

template <typename Table, typename Key>
auto find_in(Table& table, const Key& key) -> decltype(&table.find(key)->second) {
  const auto it = table.find(key);
  return it == table.end() ? nullptr : &it->second;
}

std::string text_of(const Session& session) { return {session.audit.begin(), session.audit.end()}; }

}  // namespace

Directory::Directory() {
  Principal who;
  who.actor = "local";
  who.node_admin = true;
  local_ = std::make_shared<const Principal>(who);
}

void Directory::add(store::Project row) {
  const std::int64_t seq = row.seq;
  projects_by_name_[row.name] = seq;
  projects_by_id_[row.id] = seq;
  Principal who = *local_;
  who.project = seq;
  who.project_id = row.id;
  who.project_name = row.name;
  who.koophone_commands_only = row.koophone_commands_only;
  who.roles = {administrator().name};
  who.permissions = permissions(who.roles);
  projects_[seq] = {std::move(row), std::make_shared<const Principal>(std::move(who))};
}

void Directory::add(const Digest& digest, store::Token row) {
  if (!projects_.contains(row.project)) return;
  tokens_by_id_[row.id] = digest;
  tokens_[digest] = {std::move(row), --last_limit_key_, nullptr};
}

void Directory::remove_token(std::string_view id) {
  const auto it = tokens_by_id_.find(id);
  if (it == tokens_by_id_.end()) return;
  tokens_.erase(it->second);
  tokens_by_id_.erase(it);
}

void Directory::add(store::User row, const std::vector<store::Grant>& grants) {
  const std::int64_t seq = row.seq;
  users_by_name_[row.name] = seq;
  users_by_id_[row.id] = seq;
  users_[seq].row = std::move(row);
  for (store::Grant grant : grants) {
    grant.user = seq;
    add(grant);
  }
}

void Directory::update(store::User row) {
  User* const user = find_user(row.seq);
  if (user == nullptr) return;
  user->row = std::move(row);
  drop_principals(user->row.seq);
}

void Directory::remove_user(std::int64_t seq) {
  const User* const user = find_user(seq);
  if (user == nullptr) return;
  users_by_name_.erase(user->row.name);
  users_by_id_.erase(user->row.id);
  std::erase_if(keys_, [seq](const auto& each) { return each.second.row.user == seq; });
  users_.erase(seq);
}

void Directory::add(const store::Grant& grant) {
  User* const user = find_user(grant.user);
  if (user == nullptr) return;
  user->grants.insert(grant);
  drop_principals(grant.user);
}

void Directory::remove(const store::Grant& grant) {
  User* const user = find_user(grant.user);
  if (user == nullptr) return;
  user->grants.erase(grant);
  drop_principals(grant.user);
}

void Directory::add(store::AccessKey row, std::shared_ptr<const std::string> secret) {
  if (!users_.contains(row.user)) return;
  std::string id = row.id;
  keys_[std::move(id)] = {std::move(row), std::move(secret), {}};
}

void Directory::remove_key(std::string_view id) {
  if (const auto it = keys_.find(id); it != keys_.end()) keys_.erase(it);
}

void Directory::put(store::Policy row, std::shared_ptr<const identity::Policy> rules) {
  if (rules == nullptr) rules = denies_all(row.name);
  std::string name = row.name;
  Policy& policy = policies_[std::move(name)];
  const std::int64_t created_ms = policy.row.created_ms;
  policy = {std::move(row), std::move(rules)};
  if (created_ms != 0) policy.row.created_ms = created_ms;
  drop_principals();
}

void Directory::remove_policy(std::string_view name) {
  if (const auto it = policies_.find(name); it != policies_.end()) policies_.erase(it);
  drop_principals();
}

void Directory::revoke(const store::Revocation& revocation, std::int64_t now_ms) {
  // Now and then what has expired goes; each time the table may double, so that it costs nothing a session.
  if (revoked_.size() >= sweep_at_) {
    std::erase_if(revoked_, [now_ms](const auto& each) { return each.second <= now_ms; });
    sweep_at_ = std::max<std::size_t>(64, 2 * revoked_.size());
  }
  revoked_[revocation.session] = revocation.expires_ms;
}

void Directory::keep(const Directory& before) {
  for (auto& [digest, token] : tokens_)
    if (const Token* const same = find_in(before.tokens_, digest)) token.limit_key = same->limit_key;
  for (auto& [seq, user] : users_)
    if (const User* const same = before.user(seq)) user.newest_session_ms = same->newest_session_ms;
}

void Directory::session_given(std::int64_t user, std::int64_t issued_ms) {
  if (User* const found = find_user(user)) {
    found->newest_session_ms = std::max(found->newest_session_ms, issued_ms);
  }
}

const Directory::Project* Directory::project(std::string_view name_or_id) const {
  const std::int64_t* seq = find_in(projects_by_id_, name_or_id);
  if (seq == nullptr) seq = find_in(projects_by_name_, name_or_id);
  return seq == nullptr ? nullptr : project(*seq);
}

const Directory::Project* Directory::project(std::int64_t seq) const { return find_in(projects_, seq); }

const Directory::User* Directory::user(std::string_view name_or_id) const {
  const std::int64_t* seq = find_in(users_by_id_, name_or_id);
  if (seq == nullptr) seq = find_in(users_by_name_, name_or_id);
  return seq == nullptr ? nullptr : user(*seq);
}

const Directory::User* Directory::user(std::int64_t seq) const { return find_in(users_, seq); }
Directory::User* Directory::find_user(std::int64_t seq) { return find_in(users_, seq); }
const Directory::Key* Directory::key(std::string_view id) const { return find_in(keys_, id); }

const Directory::Key* Directory::signing_key(std::string_view id) const {
  const Key* const found = key(id);
  return found == nullptr || found->secret == nullptr || !users_.at(found->row.user).row.enabled ? nullptr
                                                                                                 : found;
}

const Directory::Token* Directory::token(std::string_view id) const {
  const Digest* const digest = find_in(tokens_by_id_, id);
  return digest == nullptr ? nullptr : find_in(tokens_, *digest);
}

std::string Directory::holder_of(std::string_view policy) const {
  for (const auto& [seq, user] : users_) {
    for (const store::Grant& grant : user.grants) {
      if (grant.policy == policy) return "the user " + user.row.name;
    }
  }
  for (const auto& [digest, token] : tokens_) {
    if (token.row.policy == policy) return "the token " + token.row.id;
  }
  return {};
}

void Directory::drop_principals(std::int64_t user) {
  if (const User* const found = find_user(user)) found->principals.clear();
  for (const auto& [id, key] : keys_) {
    if (key.row.user == user) key.principals.clear();
  }
}

void Directory::drop_principals() {
  for (const auto& [seq, user] : users_) user.principals.clear();
  for (const auto& [id, key] : keys_) key.principals.clear();
  for (const auto& [digest, token] : tokens_) token.who = nullptr;
}

bool Directory::is_revoked(const Session& session) const {
  return !revoked_.empty() && revoked_.contains(text_of(session));
}

UserView Directory::view(const User& user) const {
  UserView view{.id = user.row.id,
                .name = user.row.name,
                .enabled = user.row.enabled,
                .has_password = !user.row.password.empty(),
                .created_ms = user.row.created_ms,
                .grants = {}};
  for (const store::Grant& grant : user.grants) {
    const Project* const in = project(grant.project);
    view.grants.push_back({in == nullptr ? std::string() : in->row.name, grant.policy});
  }
  std::ranges::sort(view.grants);
  return view;
}

SessionView Directory::view(const Session& session) const {
  const User& user = users_.at(session.user);
  SessionView view;
  view.user_id = user.row.id;
  view.user = user.row.name;
  if (const Project* const in = project(session.project)) {
    view.project_id = in->row.id;
    view.project = in->row.name;
  }
  view.roles = roles(user, session.project);
  view.issued_ms = session.issued_ms;
  view.expires_ms = session.expires_ms;
  view.audit_id = base64url(text_of(session));
  return view;
}

TokenView Directory::view(const Token& token) const {
  return {token.row.id, projects_.at(token.row.project).row.name, token.row.policy, token.row.created_ms,
          token.row.expires_ms};
}

KeyView Directory::view(const Key& key) const {
  return {key.row.id, users_.at(key.row.user).row.name, key.row.created_ms};
}

}  // namespace drover::identity
