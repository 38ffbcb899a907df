// /api/v1/users: who may log in, and their roles.
#include <utility>

#include "api/native/admin_answers.h"
#include "api/native/admin_requests.h"
#include "api/native/native.h"

namespace drover::api::native {
namespace {

using identity::UserView;

// The user as it now is, and the password that was made for him.
auto user_answer(const http::Responder& respond, std::string shown_password = {}) {
  return [respond, shown_password = std::move(shown_password)](const Result<UserView>& user) {
    respond(user ? answer_of(*user, "password", shown_password) : refuse(refusal_of(user.error())));
  };
}

void create_user(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller& caller) {
  auto parsed = parse_user_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  caller.name_subject(parsed->user.name);
  services.identity.create_user(std::move(parsed->user),
                                user_answer(respond, std::move(parsed->shown_password)));
}

void list_users(Services& services, const http::Request&, const http::Responder& respond, const Caller&) {
  respond(list_answer("users", services.identity.users()));
}

void show_user(Services& services, const http::Request& request, const http::Responder& respond,
               const Caller&) {
  const auto user = services.identity.user(request.path_parameter("name"));
  respond(user ? answer_of(*user) : refuse(not_found("no such user")));
}

void change_user(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller& caller) {
  const std::string_view name = request.path_parameter("name");
  caller.name_subject(name);
  auto parsed = parse_user_change_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  services.identity.change_user(name, std::move(parsed->change),
                                user_answer(respond, std::move(parsed->shown_password)));
}

void remove_user(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller& caller) {
  const std::string_view name = request.path_parameter("name");
  caller.name_subject(name);
  services.identity.remove_user(name, done_answer(respond));
}

// What the audit log says a grant is: "alice: KooPhone Administrator in default".
std::string text_of(std::string_view user, const identity::GrantView& grant) {
  return std::string(user) + ": " + grant.policy + " in " +
         (grant.project.empty() ? "all projects" : grant.project);
}

void add_grant(Services& services, const http::Request& request, const http::Responder& respond,
               const Caller& caller) {
  const std::string_view name = request.path_parameter("name");
  caller.name_subject(name);
  auto parsed = parse_grant_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  caller.name_subject(text_of(name, *parsed));
  services.identity.add_grant(name, *std::move(parsed), user_answer(respond));
}

void remove_grant(Services& services, const http::Request& request, const http::Responder& respond,
                  const Caller& caller) {
  const std::string_view name = request.path_parameter("name");
  caller.name_subject(name);
  const auto role = request.query("role");
  if (!role) return respond(refuse(bad_parameter("role is missing; it must be a role's name").value()));
  const auto project = request.query("project");
  if (project && project->empty())
    return respond(refuse(bad_parameter("project must be a project's name, or be left out").value()));
  identity::GrantView grant{std::string(project.value_or("")), policy_of_role(*role)};
  caller.name_subject(text_of(name, grant));
  services.identity.remove_grant(name, std::move(grant), user_answer(respond));
}

}  // namespace

void add_user_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/api/v1/users", administrator("drover:user:create"), create_user);
  routes.add(Method::kGet, "/api/v1/users", administrator("drover:user:list"), list_users);
  routes.add(Method::kGet, "/api/v1/users/{name}", administrator("drover:user:show"), show_user);
  routes.add(Method::kPut, "/api/v1/users/{name}", administrator("drover:user:change"), change_user);
  routes.add(Method::kDelete, "/api/v1/users/{name}", administrator("drover:user:remove"), remove_user);
  routes.add(Method::kPost, "/api/v1/users/{name}/grants", administrator("drover:grant:add"), add_grant);
  routes.add(Method::kDelete, "/api/v1/users/{name}/grants", administrator("drover:grant:remove"),
             remove_grant);
}

}  // namespace drover::api::native
