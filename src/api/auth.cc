#include "api/auth.h"

#include <utility>

#include "base/clock.h"
#include "identity/signature.h"

namespace drover::api {
namespace {

using identity::Permissions;
using identity::Principal;
using identity::PrincipalPtr;
using Who = Access::Who;

Refusal unknown_caller(std::string message) { return {401, code::kNotAuthenticated, std::move(message)}; }

Refusal not_allowed(std::string message) { return {403, code::kNotAllowed, std::move(message)}; }

const PrincipalPtr& nobody() {
  static const PrincipalPtr principal = std::make_shared<const Principal>();
  return principal;
}

bool is_signed(const http::Request& request) {
  return request.header("Authorization").value_or("").starts_with(identity::kSignatureScheme);
}

Refusal refusal_of_signature(const Error& error) {
  if (error.code == identity::Errc::kBadAuthorization || error.code == identity::Errc::kStale) {
    return unknown_caller(error.message);
  }
  return unknown_caller("the access key or the signature is wrong");
}

Checked<Admitted> who_signed(const http::Request& request, const identity::Identity& identity, Body body) {
  const identity::SignedRequest what{
      .method = request.method_text(),
      .path = request.raw_path(),
      .query = request.raw_query(),
      .body = request.body(),
      .header = [&request](std::string_view name) -> identity::SignedRequest::Header {
        return {request.header(name).value_or(""), request.header_count(name)};
      }};
  const std::string_view authorization = request.header("Authorization").value_or("");
  if (body == Body::kStillToCome) {
    if (auto expected = identity.expect(what, authorization); !expected)
      return tl::unexpected(refusal_of_signature(expected.error()));
    return Admitted{};
  }
  auto who = identity.authenticate(what, authorization, request.header("X-Project-Id").value_or(""));
  if (!who) return tl::unexpected(refusal_of_signature(who.error()));
  return Admitted{*std::move(who)};
}

Checked<Admitted> who_asks(const http::Request& request, const identity::Identity& identity, Who asked,
                           Body body) {
  if (is_signed(request)) return who_signed(request, identity, body);
  if (const auto secret = request.header("X-Auth-Token")) {
    if (PrincipalPtr who = identity.authenticate(*secret)) return Admitted{std::move(who)};
    return tl::unexpected(unknown_caller("the token in X-Auth-Token is wrong or has expired"));
  }
  if (!request.local())
    return tl::unexpected(unknown_caller("neither X-Auth-Token nor a signature in Authorization is there"));
  // The node's own things are in no project.
  const bool of_node = asked == Who::kAdministrator || asked == Who::kProjectOrAdministrator;
  const std::string_view project = of_node ? "" : request.header("X-Drover-Project").value_or("default");
  if (PrincipalPtr who = identity.local(project)) return Admitted{std::move(who), true};
  return tl::unexpected(
      not_found("X-Drover-Project: no such project: " + std::string(project.substr(0, 64))));
}

Checked<> may_do(const Principal& who, const Access& access) {
  switch (access.who) {
    case Who::kOpen:
    case Who::kSignedIn:
      return {};
    case Who::kAdministrator:
      if (who.node_admin) return {};
      return tl::unexpected(not_allowed(std::string(access.name) + " is for administrators of the node"));
    case Who::kProjectOrAdministrator:
      if (who.node_admin) return {};
      break;
    case Who::kProject:
    case Who::kProjectByInstance:
      break;
  }
  if (who.project == 0) {
    return tl::unexpected(
        not_allowed("this is for no project in which there is a role: ask for a token with a project scope, "
                    "or name another "
                    "project in X-Project-Id"));
  }
  const Permissions::Verdict verdict = who.permissions.verdict(access.action);
  if (verdict == Permissions::Verdict::kAllowed) return {};
  if (verdict == Permissions::Verdict::kDenied) {
    return tl::unexpected(not_allowed("the role does not allow " + std::string(access.name)));
  }
  if (access.who == Who::kProjectByInstance) return {};
  return tl::unexpected(not_allowed("the role allows " + std::string(access.name) +
                                    " on some instances only, and this is about all: name a task or a job"));
}

}  // namespace

tl::expected<Admitted, Refused> admit(const http::Request& request, const identity::Identity& identity,
                                      const Access& access, Body body) {
  if (access.who == Who::kOpen) return Admitted{nobody()};
  Checked<Admitted> asker = who_asks(request, identity, access.who, body);
  if (!asker) return tl::unexpected(Refused{std::move(asker.error()), nullptr});
  if (asker->who == nullptr) return *std::move(asker);
  if (auto allowed = may_do(*asker->who, access); !allowed)
    return tl::unexpected(Refused{std::move(allowed.error()), std::move(asker->who)});
  return *std::move(asker);
}

}  // namespace drover::api
