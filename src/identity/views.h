// Users, tokens, keys and sessions as they are shown, and what is needed to make one. A view holds no secret.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace drover::identity {

struct TokenView {
  std::string id;
  std::string project;
  std::string policy;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
};
struct NewToken {
  std::string secret;  // shown this once
  TokenView view;
};

struct GrantView {
  std::string project;  // empty: all projects
  std::string policy;

  auto operator<=>(const GrantView&) const = default;
};
struct UserView {
  std::string id;
  std::string name;
  bool enabled = true;
  bool has_password = false;
  std::int64_t created_ms = 0;
  std::vector<GrantView> grants;  // sorted
};
struct NewUser {
  std::string name;
  std::string password;  // empty: none, the user can only have access keys
  std::vector<GrantView> grants;
};
struct UserChange {
  std::optional<std::string> password;
  std::optional<bool> enabled;
};

struct KeyView {
  std::string id;  // the access key
  std::string user;
  std::int64_t created_ms = 0;
};
struct NewKey {
  std::string secret;  // shown this once
  KeyView view;
};

// What somebody logs in with, and for.
struct Login {
  std::string user;  // name or id
  std::string password;
  std::string address;    // from where, without port
  std::string project;    // name or id; empty: the only project that the user has a role in, or none
  bool unscoped = false;  // for no project, whatever there is
};

// What a session stands for, as Keystone shows it.
struct SessionView {
  std::string user_id;
  std::string user;
  std::string project_id;  // empty: unscoped
  std::string project;
  std::vector<std::string> roles;  // held in that project, those in all projects included; sorted
  std::int64_t issued_ms = 0;
  std::int64_t expires_ms = 0;
  std::string audit_id;  // base64url, 22 characters
};
struct NewSession {
  std::string secret;  // the token
  SessionView view;
};

// The user that a server without any makes for itself.
struct FirstAdministrator {
  std::string name;
  std::string password;  // if it was made; shown this once
};

struct IdentityOptions {
  Seconds session_lifetime{24 * 3600};
  unsigned login_threads = 1;
};

}  // namespace drover::identity
