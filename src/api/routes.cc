#include "api/routes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "api/reads.h"

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

Checked<identity::Principal> let_in(const Services& services, const http::Request& request, Access access,
                                    Needs needs) {
  Checked<identity::Principal> who = admit(request, services.identity, access);
  if (!who || needs != Needs::kRoom) return who;
  if (auto room = services.engine.may_accept(who->project); !room)
    return tl::unexpected(refusal_of(room.error()));
  return who;
}

}  // namespace

void Routes::add(http::Method method, std::string pattern, Access access, Handler handler, Needs needs,
                 http::RouteOptions options) {
  added_.push_back({method, pattern, access});
  options.keep_body = needs == Needs::kTurn;
  options.refuse_early = [&services = services_, access,
                          needs](const http::Request& request) -> std::optional<http::Response> {
    const Checked<identity::Principal> who = let_in(services, request, access, needs);
    if (who) return std::nullopt;
    return refuse(who.error());
  };
  const auto handle = [&services = services_, access, needs, handler](const http::Request& request,
                                                                      const http::Responder& respond) {
    const Checked<identity::Principal> who = let_in(services, request, access, needs);
    if (!who) return respond(refuse(who.error()));
    if (!request.body().empty() && !is_json(request.header("Content-Type").value_or("application/json"))) {
      return respond(refuse({415, code::kBadParameter, "Content-Type must be application/json"}));
    }
    if (needs != Needs::kTurn) return handler(services, request, respond, *who);
    services.reads.enter(who->project, respond, [&services, &request, respond, who = *who, handler] {
      handler(services, request, respond, who);
    });
  };
  router_.add(method, std::move(pattern), handle, options);
}

}  // namespace drover::api
