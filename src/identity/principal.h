// Who asks, and what he may do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "identity/policy.h"

namespace drover::identity {

// One user or token in one project, or in none. Immutable, made when something changes and shared by
// requests, any thread.
struct Principal {
  std::int64_t project = 0;  // 0: none was named, and then `permissions` allow nothing
  std::string project_id;    // 32 hex digits
  std::string project_name;
  bool koophone_commands_only = false;  // the project's command policy
  std::int64_t user = 0;                // 0: an operator's token, or the server's own user
  std::string user_id;
  std::string user_name;
  std::string actor;  // for the audit log: "user:NAME", "key:AK of user:NAME", "token:ID", "local"
  std::vector<std::string> roles;  // names of policies, sorted
  Permissions permissions;
  bool node_admin = false;     // may make users, projects, keys: administrator of all projects
  std::int64_t limit_key = 0;  // whose rate is limited: the user's number, or a negative one per token
};
using PrincipalPtr = std::shared_ptr<const Principal>;

}  // namespace drover::identity
