// /v3/auth/tokens: logging in, and what becomes of the token.
#include <algorithm>
#include <utility>

#include "api/error_form.h"
#include "api/keystone/base_url.h"
#include "api/keystone/keystone.h"
#include "api/keystone/login_request.h"
#include "api/keystone/session_answer.h"

namespace drover::api::keystone {
namespace {

using identity::SessionView;

constexpr char kSubject[] = "X-Subject-Token";
constexpr std::size_t kLongestClaim = 64;  // characters in the audit log

// Who somebody says he is, for the audit log: it may be anything, and must not look like anything else there.
std::string claimed(std::string_view user) {
  std::string text(user.substr(0, kLongestClaim));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return "user:" + text;
}

// `?nocatalog`, with or without a value.
Catalog wanted_catalog(const http::Request& request) {
  return request.query("nocatalog") ? Catalog::kLeftOut : Catalog::kShown;
}

http::Response token_response(const SessionView& session, std::string_view secret, std::string_view base,
                              Catalog catalog) {
  http::Response response = json_answer(token_answer(session, base, catalog));
  response.headers.emplace_back(kSubject, secret);
  return response;
}

void log_in(Services& services, const http::Request& request, const http::Responder& respond,
            const Caller& caller) {
  auto wanted = parse_login_request(request.body());
  if (!wanted) return respond(refuse(request, wanted.error()));
  caller.note->actor = claimed(wanted->user);
  auto base = base_url(request);
  if (!base) return respond(refuse(request, base.error()));
  identity::Login login{.user = std::move(wanted->user),
                        .password = std::move(wanted->password),
                        .address = std::string(request.peer_address()),
                        .project = std::move(wanted->project),
                        .unscoped = wanted->unscoped};
  services.identity.log_in(
      std::move(login), [&services, &request, respond, note = caller.note, base = *std::move(base)](
                            Result<identity::NewSession> made, Millis retry_after) {
        if (!made) return respond(refuse(request, refusal_of(made.error(), retry_after)));
        note->actor = "user:" + made->view.user;
        note->subject = made->view.project;
        if (const auto project = services.identity.project(made->view.project_id))
          note->project = project->seq;
        http::Response response = token_response(made->view, made->secret, base, wanted_catalog(request));
        response.status = 201;
        respond(std::move(response));
      });
}

// The session that the request is about, if it counts and the caller may know of it: everybody may of his
// own, administrators of the node of all.
Checked<SessionView> subject(const Services& services, const http::Request& request, const Caller& caller) {
  const auto secret = request.header(kSubject);
  if (!secret) return bad_parameter("the header X-Subject-Token is missing");
  std::optional<SessionView> session = services.identity.session(*secret);
  if (session && (caller.who->node_admin || session->user_id == caller.who->user_id))
    return *std::move(session);
  return tl::unexpected(not_found("X-Subject-Token is of no session that counts, or of somebody else's"));
}

void show_session(Services& services, const http::Request& request, const http::Responder& respond,
                  const Caller& caller) {
  const auto base = base_url(request);
  if (!base) return respond(refuse(request, base.error()));
  const auto session = subject(services, request, caller);
  if (!session) return respond(refuse(request, session.error()));
  respond(token_response(*session, *request.header(kSubject), *base, wanted_catalog(request)));
}

void end_session(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller& caller) {
  const auto session = subject(services, request, caller);
  if (!session) return respond(refuse(request, session.error()));
  caller.name_subject(session->user + "/" + session->audit_id);
  services.identity.end_session(*request.header(kSubject), [&request, respond](const Result<>& ended) {
    if (!ended) return respond(refuse(request, refusal_of(ended.error())));
    http::Response response;
    response.status = 204;
    respond(std::move(response));
  });
}

}  // namespace

void add_session_routes(Routes& routes) {
  using http::Method;
  constexpr char kPath[] = "/v3/auth/tokens";
  routes.add(Method::kPost, kPath, open("drover:session:create"), log_in, Needs::kNothing,
             {.max_body = kLargestLogin});
  routes.add(Method::kGet, kPath, signed_in("drover:session:read"), show_session);
  routes.add(Method::kDelete, kPath, signed_in("drover:session:end"), end_session);
}

}  // namespace drover::api::keystone
