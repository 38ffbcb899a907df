// /api/v1/projects and /api/v1/tokens: for the server's own user only.
#include <utility>

#include "api/json_writer.h"
#include "api/native/native.h"
#include "api/native/requests.h"

namespace drover::api::native {
namespace {

using identity::Principal;

void append_project(JsonWriter& json, const store::Project& project) {
  json.text("name", project.name).boolean("koophone_commands_only", project.koophone_commands_only);
  json.time("created_at", project.created_ms);
}

void append_token(JsonWriter& json, const identity::TokenView& token) {
  json.text("token_id", token.id).text("project", token.project).text("role", role_name(token.role));
  json.time("created_at", token.created_ms).time("expires_at", token.expires_ms);
}

void create_project(Services& services, const http::Request& request, const http::Responder& respond,
                    const Principal&) {
  auto parsed = parse_project_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  services.identity.create_project(std::move(parsed->name), parsed->koophone_commands_only,
                                   [respond](const Result<store::Project>& made) {
                                     if (!made) return respond(refuse(refusal_of(made.error())));
                                     std::string body;
                                     JsonWriter json(body);
                                     json.open_object();
                                     append_project(json, *made);
                                     json.close_object();
                                     respond(json_answer(std::move(body)));
                                   });
}

void list_projects(Services& services, const http::Request&, const http::Responder& respond,
                   const Principal&) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("projects");
  for (const store::Project& project : services.identity.projects()) {
    json.open_object();
    append_project(json, project);
    json.close_object();
  }
  json.close_array().close_object();
  respond(json_answer(std::move(body)));
}

void create_token(Services& services, const http::Request& request, const http::Responder& respond,
                  const Principal&) {
  const auto parsed = parse_token_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  services.identity.create_token(parsed->project, parsed->role, Seconds(parsed->expires_s),
                                 [respond](const Result<identity::NewToken>& made) {
                                   if (!made) return respond(refuse(refusal_of(made.error())));
                                   std::string body;
                                   JsonWriter json(body);
                                   json.open_object();
                                   append_token(json, made->view);
                                   json.text("token", made->secret).close_object();
                                   respond(json_answer(std::move(body)));
                                 });
}

void list_tokens(Services& services, const http::Request& request, const http::Responder& respond,
                 const Principal&) {
  const std::string_view project = request.query("project").value_or("");
  if (!project.empty() && !services.identity.local(project))
    return respond(refuse(not_found("no such project")));
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("tokens");
  for (const identity::TokenView& token : services.identity.tokens(project)) {
    json.open_object();
    append_token(json, token);
    json.close_object();
  }
  json.close_array().close_object();
  respond(json_answer(std::move(body)));
}

void revoke_token(Services& services, const http::Request& request, const http::Responder& respond,
                  const Principal&) {
  services.identity.revoke_token(std::string(request.path_parameter("token_id")),
                                 [respond](const Result<>& revoked) {
                                   respond(revoked ? json_answer("{}") : refuse(refusal_of(revoked.error())));
                                 });
}

}  // namespace

void add_admin_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/api/v1/projects", Access::kOwner, create_project);
  routes.add(Method::kGet, "/api/v1/projects", Access::kOwner, list_projects);
  routes.add(Method::kPost, "/api/v1/tokens", Access::kOwner, create_token);
  routes.add(Method::kGet, "/api/v1/tokens", Access::kOwner, list_tokens);
  routes.add(Method::kDelete, "/api/v1/tokens/{token_id}", Access::kOwner, revoke_token);
}

}  // namespace drover::api::native
