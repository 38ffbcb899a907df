#include "api/routes.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "api/audit.h"
#include "api/auth.h"
#include "api/error_form.h"
#include "api/limits.h"
#include "api/reads.h"
#include "store/cluster.h"

namespace drover::api {
namespace {

// A body that says it is something else than JSON is refused; one that says nothing is taken for JSON.
bool is_json(std::string_view content_type) {
  constexpr std::string_view kJson = "application/json";
  if (content_type.size() < kJson.size()) return false;
  const bool same = std::equal(kJson.begin(), kJson.end(), content_type.begin(), [](char a, char b) {
    return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
  });
  if (!same) return false;
  const std::string_view rest = content_type.substr(kJson.size());
  return rest.empty() || rest.front() == ';' || rest.front() == ' ';
}

// A node that may be cut off from the others does not know whom they have shut out. On its own socket there
// is nobody to shut out.
Checked<> knows_who_may(const Services& services, const http::Request& request, const Access& access) {
  if (access.who == Access::Who::kOpen || request.local()) return {};
  const store::Cluster* const cluster = services.store.cluster();
  if (cluster == nullptr || cluster->trusted()) return {};
  return tl::unexpected(Refusal{
      503, code::kInternal,
      "the database does not answer this node, so that it does not know who may do what", Seconds(1)});
}

// Whoever cannot be given room need not send a body, or have it parsed.
Checked<> has_room(const Services& services, std::int64_t project, Needs needs) {
  if (needs != Needs::kRoom) return {};
  if (auto room = services.engine.may_accept(project); !room) return tl::unexpected(refusal_of(room.error()));
  return {};
}

// What stands between a route's requests and its handler.
struct Gate {
  Services& services;
  Access access;
  Needs needs;
  Handler handler;
  bool change;

  std::optional<http::Response> refuse_early(const http::Request& request) const {
    if (const auto known = knows_who_may(services, request, access); !known)
      return refuse(request, known.error());
    const auto admitted = admit(request, services.identity, access, Body::kStillToCome);
    const identity::Principal* const counted = who_counts(admitted);
    if (counted != nullptr) {
      // Who is refused here does not come to handle(), where all others are counted.
      const auto rate = admitted ? services.limits.look(*counted) : services.limits.take(*counted);
      if (!rate) return refuse(request, rate.error());
    }
    if (!admitted) {
      http::Response response = refuse(request, admitted.error().why);
      services.audit.refused_early(request, response, admitted.error().who, access.name);
      return response;
    }
    if (admitted->who == nullptr) return std::nullopt;
    if (const auto room = has_room(services, admitted->who->project, needs); !room)
      return refuse(request, room.error());
    return std::nullopt;
  }

  void handle(const http::Request& request, const http::Responder& respond) const {
    if (const auto known = knows_who_may(services, request, access); !known)
      return respond(refuse(request, known.error()));
    auto admitted = admit(request, services.identity, access, Body::kHere);
    if (const identity::Principal* const counted = who_counts(admitted)) {
      if (const auto rate = services.limits.take(*counted); !rate)
        return respond(refuse(request, rate.error()));
    }
    if (!admitted) {
      services.audit.follow(request, respond, std::move(admitted.error().who), access.name,
                            Audit::Enters::kRefusals);
      return respond(refuse(request, admitted.error().why));
    }
    Caller caller{std::move(admitted->who), nullptr};
    if (const auto room = has_room(services, caller.project(), needs); !room)
      return respond(refuse(request, room.error()));
    if (is_followed(caller)) {
      caller.note = services.audit.follow(request, respond, caller.who, access.name,
                                          change ? Audit::Enters::kAll : Audit::Enters::kRefusals);
      if (access.who == Access::Who::kAdministrator) caller.note->project = 0;
    }
    if (!request.body().empty() && !is_json(request.header("Content-Type").value_or("application/json"))) {
      return respond(refuse(request, {415, code::kBadParameter, "Content-Type must be application/json"}));
    }
    if (needs != Needs::kTurn) return handler(services, request, respond, caller);
    services.reads.enter(caller.project(), respond,
                         [this, &request, respond, caller] { handler(services, request, respond, caller); });
  }

  // Whose limits the request counts for; null: nobody's. Refusals count as well, since each is an entry of
  // the audit log.
  const identity::Principal* who_counts(const tl::expected<Admitted, Refused>& admitted) const {
    if (!admitted) return admitted.error().who.get();
    return admitted->own_user || access.who == Access::Who::kOpen ? nullptr : admitted->who.get();
  }

  // Queries of who was let in have nothing to be entered, unless the handler still judges.
  bool is_followed(const Caller& caller) const {
    if (change) return true;
    switch (access.who) {
      case Access::Who::kOpen:
      case Access::Who::kProject:
        return false;
      case Access::Who::kProjectByInstance:
        return caller.depends(access.action);
      case Access::Who::kSignedIn:
      case Access::Who::kAdministrator:
      case Access::Who::kProjectOrAdministrator:
        return true;
    }
    return true;
  }
};

}  // namespace

void Routes::add(http::Method method, std::string pattern, Access access, Handler handler, Needs needs,
                 http::RouteOptions options) {
  added_.push_back({method, pattern, access});
  const auto gate =
      std::make_shared<const Gate>(Gate{services_, access, needs, handler, access.is_change(method)});
  options.keep_body = needs == Needs::kTurn;
  options.refuse_early = [gate](const http::Request& request) { return gate->refuse_early(request); };
  const auto handle = [gate](const http::Request& request, const http::Responder& respond) {
    gate->handle(request, respond);
  };
  router_.add(method, std::move(pattern), handle, options);
}

}  // namespace drover::api
