// What the commands about who may do what are asked to do, and the functions that do it. They return the exit
// code of the program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/commands.h"

namespace drover::cli {

struct ProjectOptions {
  ClientOptions client;
  std::string name;
  std::string id;  // empty: the server makes one
  bool koophone_commands_only = false;
};
int list_projects(const ProjectOptions& options);
int create_project(const ProjectOptions& options);

struct TokenOptions {
  ClientOptions client;
  std::string project;
  std::string role = "readonly";
  Seconds expires{86'400};
  std::string id;
};
int list_tokens(const TokenOptions& options);
int create_token(const TokenOptions& options);
int revoke_token(const TokenOptions& options);

// Which password a user gets. By default somebody is asked for it at the terminal, twice.
struct NewPassword {
  std::string file;       // "-": standard input
  bool generate = false;  // the server makes it
  bool none = false;
};

struct UserOptions {
  ClientOptions client;
  std::string name;
  NewPassword password;
  std::string role;  // of a grant; `project` or `all_projects` goes with it
  std::string project;
  bool all_projects = false;
};
int list_users(const UserOptions& options);
int create_user(const UserOptions& options);
int show_user(const UserOptions& options);
int remove_user(const UserOptions& options);
int set_password(const UserOptions& options);
int enable_user(const UserOptions& options);
int disable_user(const UserOptions& options);
int grant_role(const UserOptions& options);
int revoke_role(const UserOptions& options);

struct KeyOptions {
  ClientOptions client;
  std::string user;
  std::string access_key;
  std::string secret_file;  // of the key that a client has already
};
int list_keys(const KeyOptions& options);
int create_key(const KeyOptions& options);
int remove_key(const KeyOptions& options);

struct PolicyOptions {
  ClientOptions client;
  std::string name;
  std::string file;
};
int list_policies(const PolicyOptions& options);
int show_policy(const PolicyOptions& options);
int put_policy(const PolicyOptions& options);
int remove_policy(const PolicyOptions& options);

struct PolicyTestOptions {
  ClientOptions client;
  std::string user;  // with `project`; or a policy by its name or from a file
  std::string project;
  std::string policy;
  std::string file;
  std::string action;
  std::string instance;
  std::vector<std::string> labels;  // as "key=value"; empty: those that the instance has
};
int test_policy(const PolicyTestOptions& options);

struct AuditOptions {
  ClientOptions client;
  std::uint64_t after = 0;
  std::string project;
  std::string from;
  std::string until;
  bool follow = false;
};
int print_audit(const AuditOptions& options);

struct LoginOptions {
  ClientOptions client;
  std::string user;
  std::string project;  // empty: the user's only one
  std::string password_file;
};
int log_in(const LoginOptions& options);

}  // namespace drover::cli
