#include "store/postgres/identities.h"

#include <optional>
#include <string_view>
#include <variant>

#include "store/errc.h"

namespace drover::store::postgres {
namespace {

// A conflict would cost a number, so there is none: only one node writes.
const Statement kAddProject{
    "add_project",
    "WITH made AS (INSERT INTO drover.project(id, name, koophone_commands_only, created_ms)"
    " SELECT $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM drover.project WHERE id = $2 OR name = $3)"
    " RETURNING seq) SELECT drover.answer($1, coalesce((SELECT seq FROM made), 0))"};
const Statement kAddUser{
    "add_user",
    "WITH made AS (INSERT INTO drover.users(id, name, password, enabled, created_ms, sessions_from_ms)"
    " SELECT $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM drover.users WHERE id = $2 OR name = $3)"
    " RETURNING seq), granted AS (INSERT INTO drover.role_grant SELECT DISTINCT made.seq, g.project, g.policy"
    " FROM made, unnest($8::int8[], $9::text[]) AS g(project, policy))"
    " SELECT drover.answer($1, coalesce((SELECT seq FROM made), 0))"};

// `none`: the answer where nothing was changed.
std::string counted(const char* command, int none) {
  return std::string("WITH done AS (") + command +
         " RETURNING 1) SELECT drover.answer($1, CASE WHEN EXISTS (SELECT 1 FROM done) THEN 0 ELSE " +
         std::to_string(none) + " END)";
}

const Statement kAddToken{
    "add_token",
    counted("INSERT INTO drover.token VALUES($2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING", 1)};
const Statement kRemoveToken{"remove_token", counted("DELETE FROM drover.token WHERE id = $2", 2)};
const Statement kUpdateUser{"update_user",
                            "SELECT drover.answer($1, drover.update_user($2, $3, $4, $5, $6))"};
const Statement kRemoveUser{"remove_user", "SELECT drover.answer($1, drover.remove_user($2))"};
const Statement kAddGrant{"add_grant", "SELECT drover.answer($1, drover.add_grant($2, $3, $4))"};
const Statement kRemoveGrant{
    "remove_grant",
    counted("DELETE FROM drover.role_grant WHERE user_seq = $2 AND project = $3 AND policy = $4", 2)};
const Statement kPutPolicy{"put_policy", counted("INSERT INTO drover.policy VALUES($2, $3, $4)"
                                                 " ON CONFLICT(name) DO UPDATE SET text = excluded.text",
                                                 0)};
const Statement kRemovePolicy{"remove_policy", counted("DELETE FROM drover.policy WHERE name = $2", 2)};
const Statement kAddKey{"add_key", "SELECT drover.answer($1, drover.add_key($2, $3, $4, $5))"};
const Statement kRemoveKey{"remove_key", counted("DELETE FROM drover.access_key WHERE id = $2", 2)};
// To revoke twice is no failure. Both changes see the table as it was before either.
const Statement kRevoke{
    "revoke",
    "WITH forgotten AS (DELETE FROM drover.revocation WHERE expires_ms <= $4 AND session <> $2),"
    " done AS (INSERT INTO drover.revocation VALUES($2, $3) ON CONFLICT DO NOTHING)"
    " SELECT drover.answer($1, 0)"};

// What a change is made with, and what it is called when it fails.
struct Command {
  const Statement* statement = nullptr;
  Params params;
  std::string name;
};

struct MakeCommand {
  std::int64_t epoch;

  Params begin() const {
    Params params;
    params.add(epoch);
    return params;
  }

  Command operator()(const change::AddToken& change) const {
    const Token& token = change.token;
    Params params = begin();
    params.add_text(token.id).add_bytes(token.hash).add(token.project).add_text(token.policy);
    params.add(token.created_ms).add(token.expires_ms);
    return {&kAddToken, std::move(params), "token " + token.id};
  }
  Command operator()(const change::RemoveToken& change) const {
    Params params = begin();
    params.add_text(change.id);
    return {&kRemoveToken, std::move(params), "token " + change.id};
  }
  Command operator()(const change::UpdateUser& change) const {
    const User& user = change.user;
    Params params = begin();
    params.add(user.seq).add_text(user.name).add_text(user.password).add_bool(user.enabled);
    params.add(user.sessions_from_ms);
    return {&kUpdateUser, std::move(params), "user " + user.name};
  }
  Command operator()(const change::RemoveUser& change) const {
    Params params = begin();
    params.add(change.user);
    return {&kRemoveUser, std::move(params), "user number " + std::to_string(change.user)};
  }
  Command operator()(const change::AddGrant& change) const {
    return {&kAddGrant, grant(change.grant), "grant of " + change.grant.policy};
  }
  Command operator()(const change::RemoveGrant& change) const {
    return {&kRemoveGrant, grant(change.grant), "grant of " + change.grant.policy};
  }
  Command operator()(const change::PutPolicy& change) const {
    const Policy& policy = change.policy;
    Params params = begin();
    params.add_text(policy.name).add_text(policy.text).add(policy.created_ms);
    return {&kPutPolicy, std::move(params), "policy " + policy.name};
  }
  Command operator()(const change::RemovePolicy& change) const {
    Params params = begin();
    params.add_text(change.name);
    return {&kRemovePolicy, std::move(params), "policy " + change.name};
  }
  Command operator()(const change::AddKey& change) const {
    const AccessKey& key = change.key;
    Params params = begin();
    params.add_text(key.id).add(key.user).add_bytes(key.sealed).add(key.created_ms);
    return {&kAddKey, std::move(params), "access key " + key.id};
  }
  Command operator()(const change::RemoveKey& change) const {
    Params params = begin();
    params.add_text(change.id);
    return {&kRemoveKey, std::move(params), "access key " + change.id};
  }
  Command operator()(const change::Revoke& change) const {
    Params params = begin();
    params.add_bytes(change.revocation.session).add(change.revocation.expires_ms).add(change.now_ms);
    return {&kRevoke, std::move(params), "session"};
  }

  Params grant(const Grant& grant) const {
    Params params = begin();
    params.add(grant.user).add(grant.project).add_text(grant.policy);
    return params;
  }
};

}  // namespace

void add_project(Unit& unit, std::int64_t epoch, const Project& project) {
  Params params;
  params.add(epoch).add_text(project.id).add_text(project.name).add_bool(project.koophone_commands_only);
  params.add(project.created_ms);
  unit.add(kAddProject, std::move(params));
}

void add_user(Unit& unit, std::int64_t epoch, const User& user, const std::vector<Grant>& grants) {
  std::vector<std::int64_t> projects;
  std::vector<std::string_view> policies;
  for (const Grant& grant : grants) {
    projects.push_back(grant.project);
    policies.emplace_back(grant.policy);
  }
  Params params;
  params.add(epoch).add_text(user.id).add_text(user.name).add_text(user.password).add_bool(user.enabled);
  params.add(user.created_ms).add(user.sessions_from_ms).add(projects).add_texts(policies);
  unit.add(kAddUser, std::move(params));
}

void add_change(Unit& unit, std::int64_t epoch, const IdentityChange& change) {
  Command command = std::visit(MakeCommand{epoch}, change);
  unit.add(*command.statement, std::move(command.params));
}

Result<> outcome_of(std::int64_t answer, const IdentityChange& change) {
  if (answer == 0) return {};
  return failure(answer == 1 ? Errc::kExists : Errc::kNotFound, std::visit(MakeCommand{0}, change).name);
}

void add_identities_read(Unit& unit) {
  for (const char* sql :
       {"SELECT seq, id, name, koophone_commands_only, created_ms FROM drover.project ORDER BY seq",
        "SELECT id, hash, project, policy, created_ms, expires_ms FROM drover.token"
        " ORDER BY created_ms, id COLLATE \"C\"",
        "SELECT seq, id, name, password, enabled, created_ms, sessions_from_ms FROM drover.users ORDER BY "
        "seq",
        "SELECT user_seq, project, policy FROM drover.role_grant"
        " ORDER BY user_seq, project, policy COLLATE \"C\"",
        "SELECT name, text, created_ms FROM drover.policy ORDER BY created_ms, name COLLATE \"C\"",
        "SELECT id, user_seq, sealed, created_ms FROM drover.access_key"
        " ORDER BY created_ms, id COLLATE \"C\"",
        "SELECT session, expires_ms FROM drover.revocation ORDER BY session"})
    unit.add(sql);
}

IdentityRows identities_of(std::span<const Rows> all) {
  IdentityRows made;
  if (all.size() != 7) return made;
  const auto text = [](const Rows& rows, int row, int column) {
    return std::string(rows.bytes(row, column));
  };
  for (int row = 0; row < all[0].size(); ++row)
    made.projects.push_back({.seq = all[0].integer(row, 0),
                             .id = text(all[0], row, 1),
                             .name = text(all[0], row, 2),
                             .koophone_commands_only = all[0].integer(row, 3) != 0,
                             .created_ms = all[0].integer(row, 4)});
  for (int row = 0; row < all[1].size(); ++row)
    made.tokens.push_back({.id = text(all[1], row, 0),
                           .hash = text(all[1], row, 1),
                           .project = all[1].integer(row, 2),
                           .policy = text(all[1], row, 3),
                           .created_ms = all[1].integer(row, 4),
                           .expires_ms = all[1].integer(row, 5)});
  for (int row = 0; row < all[2].size(); ++row)
    made.users.push_back({.seq = all[2].integer(row, 0),
                          .id = text(all[2], row, 1),
                          .name = text(all[2], row, 2),
                          .password = text(all[2], row, 3),
                          .enabled = all[2].integer(row, 4) == 1,
                          .created_ms = all[2].integer(row, 5),
                          .sessions_from_ms = all[2].integer(row, 6)});
  for (int row = 0; row < all[3].size(); ++row)
    made.grants.push_back(
        {.user = all[3].integer(row, 0), .project = all[3].integer(row, 1), .policy = text(all[3], row, 2)});
  for (int row = 0; row < all[4].size(); ++row)
    made.policies.push_back(
        {.name = text(all[4], row, 0), .text = text(all[4], row, 1), .created_ms = all[4].integer(row, 2)});
  for (int row = 0; row < all[5].size(); ++row)
    made.keys.push_back({.id = text(all[5], row, 0),
                         .user = all[5].integer(row, 1),
                         .sealed = text(all[5], row, 2),
                         .created_ms = all[5].integer(row, 3)});
  for (int row = 0; row < all[6].size(); ++row)
    made.revocations.push_back({.session = text(all[6], row, 0), .expires_ms = all[6].integer(row, 1)});
  return made;
}

}  // namespace drover::store::postgres
