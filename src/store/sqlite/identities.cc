#include "store/sqlite/identities.h"

#include "store/sqlite/rows.h"

namespace drover::store::sqlite {

Result<IdentityWrites> IdentityWrites::open(Database& db) {
  IdentityWrites self;
  self.db_ = &db;
  // A name that is taken must not fail a statement: that would cost the others in the transaction.
  auto prepared = db.prepare({
      {&self.add_project_,
       "INSERT INTO project(id, name, koophone_commands_only, created_ms) VALUES(?1, ?2, ?3, ?4)"
       " ON CONFLICT DO NOTHING RETURNING seq"},
      {&self.add_token_, "INSERT INTO token VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"},
      {&self.remove_token_, "DELETE FROM token WHERE id = ?1"},
      {&self.add_user_,
       "INSERT INTO user(id, name, password, enabled, created_ms, sessions_from_ms)"
       // A conflict would cost a number.
       " SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM user WHERE id = ?1 OR name = ?2)"
       " RETURNING seq"},
      {&self.has_user_, "SELECT 1 FROM user WHERE seq = ?1"},
      {&self.update_user_,
       "UPDATE OR IGNORE user SET name = ?2, password = ?3, enabled = ?4, sessions_from_ms = ?5"
       " WHERE seq = ?1"},
      {&self.remove_user_, "DELETE FROM user WHERE seq = ?1"},
      {&self.remove_grants_, "DELETE FROM role_grant WHERE user = ?1"},
      {&self.remove_keys_, "DELETE FROM access_key WHERE user = ?1"},
      {&self.add_grant_, "INSERT INTO role_grant VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING"},
      {&self.remove_grant_, "DELETE FROM role_grant WHERE user = ?1 AND project = ?2 AND policy = ?3"},
      {&self.put_policy_,
       "INSERT INTO policy VALUES(?1, ?2, ?3) ON CONFLICT(name) DO UPDATE SET text = excluded.text"},
      {&self.remove_policy_, "DELETE FROM policy WHERE name = ?1"},
      {&self.add_key_, "INSERT INTO access_key VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"},
      {&self.remove_key_, "DELETE FROM access_key WHERE id = ?1"},
      {&self.add_revocation_, "INSERT INTO revocation VALUES(?1, ?2) ON CONFLICT DO NOTHING"},
      {&self.forget_revocations_, "DELETE FROM revocation WHERE expires_ms <= ?1"},
  });
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  return self;
}

Result<> IdentityWrites::change_one(Statement& statement, Errc errc, std::string_view what,
                                    std::string_view name) {
  if (auto done = statement.run(); !done) return done;
  if (db_->changes() > 0) return {};
  return failure(errc, std::string(what).append(" ").append(name));
}

Result<> IdentityWrites::require_user(std::int64_t seq) {
  auto row = has_user_.bind(seq).step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row) return failure(Errc::kNotFound, "user number " + std::to_string(seq));
  has_user_.reset();
  return {};
}

Result<Project> IdentityWrites::add_project(Project project) {
  add_project_.bind(std::string_view(project.id), std::string_view(project.name),
                    project.koophone_commands_only, project.created_ms);
  auto row = add_project_.step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row) return failure(Errc::kExists, "project " + project.name);
  project.seq = add_project_.integer(0);
  add_project_.reset();
  return project;
}

Result<User> IdentityWrites::add_user(User user, const std::vector<Grant>& grants) {
  add_user_.bind(std::string_view(user.id), std::string_view(user.name), std::string_view(user.password),
                 user.enabled, user.created_ms, user.sessions_from_ms);
  auto row = add_user_.step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row) return failure(Errc::kExists, "user " + user.name);
  user.seq = add_user_.integer(0);
  add_user_.reset();
  for (const Grant& grant : grants) {
    add_grant_.bind(user.seq, grant.project, std::string_view(grant.policy));
    if (auto done = add_grant_.run(); !done) return tl::make_unexpected(std::move(done.error()));
  }
  return user;
}

Result<> IdentityWrites::apply(const change::AddToken& change) {
  const Token& token = change.token;
  add_token_.bind(std::string_view(token.id), Blob{token.hash}, token.project, std::string_view(token.policy),
                  token.created_ms, token.expires_ms);
  return change_one(add_token_, Errc::kExists, "token", token.id);
}

Result<> IdentityWrites::apply(const change::RemoveToken& change) {
  remove_token_.bind(std::string_view(change.id));
  return change_one(remove_token_, Errc::kNotFound, "token", change.id);
}

Result<> IdentityWrites::apply(const change::UpdateUser& change) {
  const User& user = change.user;
  if (auto there = require_user(user.seq); !there) return there;
  update_user_.bind(user.seq, std::string_view(user.name), std::string_view(user.password), user.enabled,
                    user.sessions_from_ms);
  return change_one(update_user_, Errc::kExists, "user", user.name);
}

Result<> IdentityWrites::apply(const change::RemoveUser& change) {
  remove_user_.bind(change.user);
  auto removed = change_one(remove_user_, Errc::kNotFound, "user number", std::to_string(change.user));
  if (!removed) return removed;
  if (auto done = remove_grants_.bind(change.user).run(); !done) return done;
  return remove_keys_.bind(change.user).run();
}

Result<> IdentityWrites::apply(const change::AddGrant& change) {
  const Grant& grant = change.grant;
  if (auto there = require_user(grant.user); !there) return there;
  add_grant_.bind(grant.user, grant.project, std::string_view(grant.policy));
  return change_one(add_grant_, Errc::kExists, "grant of", grant.policy);
}

Result<> IdentityWrites::apply(const change::RemoveGrant& change) {
  const Grant& grant = change.grant;
  remove_grant_.bind(grant.user, grant.project, std::string_view(grant.policy));
  return change_one(remove_grant_, Errc::kNotFound, "grant of", grant.policy);
}

Result<> IdentityWrites::apply(const change::PutPolicy& change) {
  const Policy& policy = change.policy;
  return put_policy_.bind(std::string_view(policy.name), std::string_view(policy.text), policy.created_ms)
      .run();
}

Result<> IdentityWrites::apply(const change::RemovePolicy& change) {
  remove_policy_.bind(std::string_view(change.name));
  return change_one(remove_policy_, Errc::kNotFound, "policy", change.name);
}

Result<> IdentityWrites::apply(const change::AddKey& change) {
  const AccessKey& key = change.key;
  if (auto there = require_user(key.user); !there) return there;
  add_key_.bind(std::string_view(key.id), key.user, Blob{key.sealed}, key.created_ms);
  return change_one(add_key_, Errc::kExists, "access key", key.id);
}

Result<> IdentityWrites::apply(const change::RemoveKey& change) {
  remove_key_.bind(std::string_view(change.id));
  return change_one(remove_key_, Errc::kNotFound, "access key", change.id);
}

Result<> IdentityWrites::apply(const change::Revoke& change) {
  if (auto done = forget_revocations_.bind(change.now_ms).run(); !done) return done;
  return add_revocation_.bind(Blob{change.revocation.session}, change.revocation.expires_ms).run();
}

namespace {

Project project_of(const Statement& row) {
  return {.seq = row.integer(0),
          .id = std::string(row.bytes(1)),
          .name = std::string(row.bytes(2)),
          .koophone_commands_only = row.integer(3) != 0,
          .created_ms = row.integer(4)};
}

Token token_of(const Statement& row) {
  return {.id = std::string(row.bytes(0)),
          .hash = std::string(row.bytes(1)),
          .project = row.integer(2),
          .policy = std::string(row.bytes(3)),
          .created_ms = row.integer(4),
          .expires_ms = row.integer(5)};
}

User user_of(const Statement& row) {
  return {.seq = row.integer(0),
          .id = std::string(row.bytes(1)),
          .name = std::string(row.bytes(2)),
          .password = std::string(row.bytes(3)),
          .enabled = row.integer(4) == 1,  // what is damaged opens nothing
          .created_ms = row.integer(5),
          .sessions_from_ms = row.integer(6)};
}

Grant grant_of(const Statement& row) {
  return {.user = row.integer(0), .project = row.integer(1), .policy = std::string(row.bytes(2))};
}

Policy policy_of(const Statement& row) {
  return {.name = std::string(row.bytes(0)), .text = std::string(row.bytes(1)), .created_ms = row.integer(2)};
}

AccessKey key_of(const Statement& row) {
  return {.id = std::string(row.bytes(0)),
          .user = row.integer(1),
          .sealed = std::string(row.bytes(2)),
          .created_ms = row.integer(3)};
}

Revocation revocation_of(const Statement& row) {
  return {.session = std::string(row.bytes(0)), .expires_ms = row.integer(1)};
}

}  // namespace

Result<IdentityRows> read_identities(Database& db) {
  IdentityRows rows;
  const auto read = [&db](auto& into, const char* sql, auto make) {
    return [&db, &into, sql, make] { return read_all(db, sql, into, make); };
  };
  auto done =
      Result<>()
          .and_then(read(rows.projects,
                         "SELECT seq, id, name, koophone_commands_only, created_ms FROM project ORDER BY seq",
                         project_of))
          .and_then(read(rows.tokens,
                         "SELECT id, hash, project, policy, created_ms, expires_ms FROM token"
                         " ORDER BY created_ms, id",
                         token_of))
          .and_then(read(rows.users,
                         "SELECT seq, id, name, password, enabled, created_ms, sessions_from_ms FROM user"
                         " ORDER BY seq",
                         user_of))
          .and_then(read(rows.grants,
                         "SELECT user, project, policy FROM role_grant ORDER BY user, project, policy",
                         grant_of))
          .and_then(read(rows.policies, "SELECT name, text, created_ms FROM policy ORDER BY created_ms, name",
                         policy_of))
          .and_then(read(rows.keys,
                         "SELECT id, user, sealed, created_ms FROM access_key ORDER BY created_ms, id",
                         key_of))
          .and_then(read(rows.revocations, "SELECT session, expires_ms FROM revocation ORDER BY session",
                         revocation_of));
  if (!done) return tl::make_unexpected(std::move(done.error()));
  return rows;
}

}  // namespace drover::store::sqlite
