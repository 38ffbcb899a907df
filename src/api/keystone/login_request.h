// The body of POST /v3/auth/tokens: who logs in, with what, and for which project.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "api/answer.h"

namespace drover::api::keystone {

struct LoginRequest {
  std::string user;  // id or name
  std::string password;
  std::string project;    // id or name; empty: none was named
  bool unscoped = false;  // a token for no project is wanted; never with a project
};

inline constexpr std::size_t kLongestName = 256;        // bytes of a user's or project's name or id
inline constexpr std::size_t kLargestLogin = 16 << 10;  // bytes of the body

// Takes the password method alone. Where both an id and a name are given the id counts. Domains are not
// looked at: there is only one here, and clients of a cloud service name their account there. A missing scope
// and a scope of null are the same. Refuses with 400, naming the member by its path and the rule; what a
// member held is in no message.
Checked<LoginRequest> parse_login_request(std::string_view body);

}  // namespace drover::api::keystone
