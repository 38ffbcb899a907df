// /api/v1/keys: access keys, with which requests are signed.
#include <utility>

#include "api/native/admin_answers.h"
#include "api/native/admin_requests.h"
#include "api/native/native.h"

namespace drover::api::native {
namespace {

void create_key(Services& services, const http::Request& request, const http::Responder& respond,
                const Caller& caller) {
  auto parsed = parse_key_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  caller.name_subject(parsed->user);
  services.identity.create_key(parsed->user, std::move(parsed->access_key), std::move(parsed->secret_key),
                               [respond, caller](const Result<identity::NewKey>& made) {
                                 if (!made) return respond(refuse(refusal_of(made.error())));
                                 caller.name_subject(made->view.user + ": " + made->view.id);
                                 respond(answer_of(made->view, "secret_key", made->secret));
                               });
}

void list_keys(Services& services, const http::Request& request, const http::Responder& respond,
               const Caller&) {
  const std::string_view user = request.query("user").value_or("");
  if (!user.empty() && !services.identity.user(user)) return respond(refuse(not_found("no such user")));
  respond(list_answer("keys", services.identity.keys(user)));
}

void remove_key(Services& services, const http::Request& request, const http::Responder& respond,
                const Caller& caller) {
  const std::string_view id = request.path_parameter("access_key");
  caller.name_subject(id);
  services.identity.remove_key(std::string(id), done_answer(respond));
}

}  // namespace

void add_key_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/api/v1/keys", administrator("drover:key:create"), create_key);
  routes.add(Method::kGet, "/api/v1/keys", administrator("drover:key:list"), list_keys);
  routes.add(Method::kDelete, "/api/v1/keys/{access_key}", administrator("drover:key:remove"), remove_key);
}

}  // namespace drover::api::native
