#include "api/auth.h"

#include <optional>

namespace drover::api {
namespace {

using identity::Principal;

tl::unexpected<Refusal> unknown_caller(std::string message) {
  return tl::unexpected(Refusal{401, code::kNotAuthenticated, std::move(message)});
}

tl::unexpected<Refusal> not_allowed(std::string message) {
  return tl::unexpected(Refusal{403, code::kNotAllowed, std::move(message)});
}

Checked<Principal> who_asks(const http::Request& request, const identity::Identity& identity) {
  if (const auto secret = request.header("X-Auth-Token")) {
    if (const auto who = identity.authenticate(*secret)) return *who;
    return unknown_caller("the token in X-Auth-Token is wrong or has expired");
  }
  if (!request.local()) return unknown_caller("the header X-Auth-Token is missing");
  const std::string_view project = request.header("X-Drover-Project").value_or("default");
  if (const auto who = identity.local(project)) return *who;
  return tl::unexpected(
      not_found("X-Drover-Project: no such project: " + std::string(project.substr(0, 64))));
}

}  // namespace

Checked<Principal> admit(const http::Request& request, const identity::Identity& identity, Access access) {
  if (access == Access::kOpen || (access == Access::kOwner && request.local())) return Principal{};
  Checked<Principal> who = who_asks(request, identity);
  if (!who) return who;
  if (access == Access::kOwner) return not_allowed("this is answered over the server's Unix socket only");
  if (access == Access::kChange && who->role != store::Role::kAdmin) {
    return not_allowed("the token's role is readonly; this needs admin");
  }
  return who;
}

}  // namespace drover::api
