// /api/v1/me: what everybody may know of himself, and change.
#include <utility>

#include "api/json_writer.h"
#include "api/native/admin_requests.h"
#include "api/native/native.h"

namespace drover::api::native {
namespace {

void append_or_null(JsonWriter& json, std::string_view name, std::string_view value) {
  if (value.empty()) {
    json.null(name);
  } else {
    json.text(name, value);
  }
}

void show_me(Services&, const http::Request&, const http::Responder& respond, const Caller& caller) {
  const identity::Principal& who = *caller.who;
  std::string body;
  JsonWriter json(body);
  json.open_object().text("actor", who.actor);
  append_or_null(json, "user", who.user_name);
  append_or_null(json, "user_id", who.user_id);
  append_or_null(json, "project", who.project_name);
  append_or_null(json, "project_id", who.project_id);
  json.open_array("roles");
  for (const std::string& role : who.roles) json.item(role);
  json.close_array().boolean("node_administrator", who.node_admin).close_object();
  respond(json_answer(std::move(body)));
}

void change_password(Services& services, const http::Request& request, const http::Responder& respond,
                     const Caller& caller) {
  caller.name_subject(caller.who->user_name);
  if (caller.who->user == 0) return respond(refuse(bad_parameter("only users have passwords").value()));
  auto parsed = parse_password_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  services.identity.change_password(
      caller.who->user, std::move(parsed->old_password), std::move(parsed->new_password),
      std::string(request.peer_address()), [respond](const Result<>& changed, Millis retry_after) {
        if (changed) return respond(json_answer("{}"));
        // A 401 would send clients to log in again, with a password that is right.
        if (changed.error().code == identity::Errc::kBadCredentials)
          return respond(refuse({400, code::kBadParameter, "old_password is wrong"}));
        respond(refuse(refusal_of(changed.error(), retry_after)));
      });
}

}  // namespace

void add_me_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kGet, "/api/v1/me", signed_in("drover:me:show"), show_me);
  routes.add(Method::kPut, "/api/v1/me/password", signed_in("drover:me:password"), change_password);
}

}  // namespace drover::api::native
