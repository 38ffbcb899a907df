// Projects, users and all that says who may do what. The changing half belongs to the writer's thread, the
// reading half to the reader's.
#pragma once

#include <string>
#include <vector>

#include "store/errc.h"
#include "store/sqlite/database.h"
#include "store/types.h"

namespace drover::store::sqlite {

// A change that is refused (kExists, kNotFound) has changed nothing.
class IdentityWrites {
 public:
  static Result<IdentityWrites> open(Database& db);

  Result<Project> add_project(Project project);
  Result<User> add_user(User user, const std::vector<Grant>& grants);

  Result<> apply(const change::AddToken& change);
  Result<> apply(const change::RemoveToken& change);
  Result<> apply(const change::UpdateUser& change);
  Result<> apply(const change::RemoveUser& change);
  Result<> apply(const change::AddGrant& change);
  Result<> apply(const change::RemoveGrant& change);
  Result<> apply(const change::PutPolicy& change);
  Result<> apply(const change::RemovePolicy& change);
  Result<> apply(const change::AddKey& change);
  Result<> apply(const change::RemoveKey& change);
  Result<> apply(const change::Revoke& change);

 private:
  Result<> require_user(std::int64_t seq);
  // Runs `statement`, which is bound. `errc` if it changes nothing.
  Result<> change_one(Statement& statement, Errc errc, std::string_view what, std::string_view name);

  Database* db_ = nullptr;
  Statement add_project_;
  Statement add_token_;
  Statement remove_token_;
  Statement add_user_;
  Statement has_user_;
  Statement update_user_;
  Statement remove_user_;
  Statement remove_grants_;  // of a user
  Statement remove_keys_;    // likewise
  Statement add_grant_;
  Statement remove_grant_;
  Statement put_policy_;
  Statement remove_policy_;
  Statement add_key_;
  Statement remove_key_;
  Statement add_revocation_;
  Statement forget_revocations_;
};

// Each kind in the order in which its rows were made.
Result<IdentityRows> read_identities(Database& db);

}  // namespace drover::store::sqlite
