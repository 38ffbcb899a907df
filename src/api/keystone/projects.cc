// Where somebody has a role, and what there is for him: projects, the one domain, the catalog.
#include <algorithm>
#include <utility>

#include "api/error_form.h"
#include "api/keystone/base_url.h"
#include "api/keystone/keystone.h"
#include "api/keystone/session_answer.h"

namespace drover::api::keystone {
namespace {

using Projects = std::vector<store::Project>;

// Of `projects` those that the query parameter `name` is of; all if there is none.
void answer_projects(const http::Request& request, const http::Responder& respond, Projects projects) {
  const auto base = base_url(request);
  if (!base) return respond(refuse(request, base.error()));
  if (const auto name = request.query("name"))
    std::erase_if(projects, [&](const store::Project& project) { return project.name != *name; });
  respond(json_answer(projects_answer(projects, *base, request.raw_path())));
}

void list_projects(Services& services, const http::Request& request, const http::Responder& respond,
                   const Caller& caller) {
  answer_projects(request, respond, services.identity.projects_of(*caller.who));
}

void list_projects_of(Services& services, const http::Request& request, const http::Responder& respond,
                      const Caller& caller) {
  const std::string_view user = request.path_parameter("user_id");
  if (user == caller.who->user_id) return list_projects(services, request, respond, caller);
  if (!caller.who->node_admin) {
    return respond(refuse(
        request, {403, code::kNotAllowed, "other users' projects are for administrators of the node"}));
  }
  if (!services.identity.user(user)) return respond(refuse(request, not_found("no such user")));
  answer_projects(request, respond, services.identity.projects_of(user));
}

void show_project(Services& services, const http::Request& request, const http::Responder& respond,
                  const Caller& caller) {
  const auto base = base_url(request);
  if (!base) return respond(refuse(request, base.error()));
  const Projects projects = services.identity.projects_of(*caller.who);
  const auto found = std::find_if(projects.begin(), projects.end(), [&](const store::Project& project) {
    return project.id == request.path_parameter("project_id");
  });
  if (found == projects.end()) return respond(refuse(request, not_found("no such project")));
  respond(json_answer(project_answer(*found, *base)));
}

void show_domains(Services&, const http::Request& request, const http::Responder& respond, const Caller&) {
  const auto base = base_url(request);
  respond(base ? json_answer(domains_answer(*base)) : refuse(request, base.error()));
}

void show_catalog(Services&, const http::Request& request, const http::Responder& respond,
                  const Caller& caller) {
  const auto base = base_url(request);
  respond(base ? json_answer(catalog_answer(*base, caller.who->project_name))
               : refuse(request, base.error()));
}

}  // namespace

void add_project_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kGet, "/v3/projects", signed_in("drover:project:read"), list_projects);
  routes.add(Method::kGet, "/v3/projects/{project_id}", signed_in("drover:project:read"), show_project);
  routes.add(Method::kGet, "/v3/auth/projects", signed_in("drover:project:read"), list_projects);
  routes.add(Method::kGet, "/v3/users/{user_id}/projects", signed_in("drover:project:read"),
             list_projects_of);
  routes.add(Method::kGet, "/v3/auth/domains", signed_in("drover:project:read"), show_domains);
  routes.add(Method::kGet, "/v3/auth/catalog", signed_in("drover:project:read"), show_catalog);
}

}  // namespace drover::api::keystone
