// /api/v1/tokens: operators' own tokens, which belong to a project and to no user.
#include <utility>

#include "api/native/admin_answers.h"
#include "api/native/admin_requests.h"
#include "api/native/native.h"

namespace drover::api::native {
namespace {

void create_token(Services& services, const http::Request& request, const http::Responder& respond,
                  const Caller& caller) {
  auto parsed = parse_token_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  services.identity.create_token(parsed->project, std::move(parsed->policy), Seconds(parsed->expires_s),
                                 [respond, caller](const Result<identity::NewToken>& made) {
                                   if (!made) return respond(refuse(refusal_of(made.error())));
                                   caller.name_subject(made->view.id);
                                   respond(answer_of(made->view, "token", made->secret));
                                 });
}

void list_tokens(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller&) {
  const std::string_view project = request.query("project").value_or("");
  if (!project.empty() && !services.identity.project(project))
    return respond(refuse(not_found("no such project")));
  respond(list_answer("tokens", services.identity.tokens(project)));
}

void revoke_token(Services& services, const http::Request& request, const http::Responder& respond,
                  const Caller& caller) {
  const std::string_view id = request.path_parameter("token_id");
  caller.name_subject(id);
  services.identity.revoke_token(std::string(id), done_answer(respond));
}

}  // namespace

void add_token_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/api/v1/tokens", administrator("drover:token:create"), create_token);
  routes.add(Method::kGet, "/api/v1/tokens", administrator("drover:token:list"), list_tokens);
  routes.add(Method::kDelete, "/api/v1/tokens/{token_id}", administrator("drover:token:revoke"),
             revoke_token);
}

}  // namespace drover::api::native
