// The bodies of requests that administer the node. What they refuse is 400 and names the field and the rule;
// names, ids, passwords and policies are as they were sent: identity checks them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/answer.h"
#include "identity/views.h"

namespace drover::api::native {

// "admin" and "readonly" are short for the two system roles; all else is a role's name as it is.
std::string policy_of_role(std::string_view role);
// The other way round, for tokens.
std::string_view role_of_policy(std::string_view policy);

struct ProjectRequest {
  std::string name;
  std::string id;  // empty: a new one
  bool koophone_commands_only = false;
};
Checked<ProjectRequest> parse_project_request(std::string_view body);

struct TokenRequest {
  std::string project;
  std::string policy;
  std::int64_t expires_s = 0;
};
Checked<TokenRequest> parse_token_request(std::string_view body);

struct UserRequest {
  identity::NewUser user;      // with a password that was made here, if that was asked for
  std::string shown_password;  // that one; else empty
};
Checked<UserRequest> parse_user_request(std::string_view body);

struct UserChangeRequest {
  identity::UserChange change;
  std::string shown_password;
};
Checked<UserChangeRequest> parse_user_change_request(std::string_view body);

Checked<identity::GrantView> parse_grant_request(std::string_view body);

struct PasswordRequest {
  std::string old_password;
  std::string new_password;
};
Checked<PasswordRequest> parse_password_request(std::string_view body);

struct KeyRequest {
  std::string user;
  std::string access_key;  // both empty: a new pair
  std::string secret_key;
};
Checked<KeyRequest> parse_key_request(std::string_view body);

}  // namespace drover::api::native
