// /api/v1/projects
#include <utility>

#include "api/native/admin_answers.h"
#include "api/native/admin_requests.h"
#include "api/native/native.h"

namespace drover::api::native {
namespace {

void create_project(Services& services, const http::Request& request, const http::Responder& respond,
                    const Caller& caller) {
  auto parsed = parse_project_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  caller.name_subject(parsed->name);
  services.identity.create_project(std::move(parsed->name), std::move(parsed->id),
                                   parsed->koophone_commands_only,
                                   [respond](const Result<store::Project>& made) {
                                     respond(made ? answer_of(*made) : refuse(refusal_of(made.error())));
                                   });
}

void list_projects(Services& services, const http::Request&, const http::Responder& respond, const Caller&) {
  respond(list_answer("projects", services.identity.projects()));
}

}  // namespace

void add_project_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/api/v1/projects", administrator("drover:project:create"), create_project);
  routes.add(Method::kGet, "/api/v1/projects", administrator("drover:project:list"), list_projects);
}

}  // namespace drover::api::native
