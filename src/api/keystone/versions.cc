// Which versions of Keystone's interface there are: what its clients ask before anything else.
#include <utility>

#include "api/error_form.h"
#include "api/keystone/base_url.h"
#include "api/keystone/keystone.h"
#include "api/keystone/session_answer.h"

namespace drover::api::keystone {
namespace {

void show_versions(Services&, const http::Request& request, const http::Responder& respond, const Caller&) {
  const auto base = base_url(request);
  if (!base) return respond(refuse(request, base.error()));
  http::Response response = json_answer(versions_answer(*base));
  response.status = 300;
  respond(std::move(response));
}

void show_version(Services&, const http::Request& request, const http::Responder& respond, const Caller&) {
  const auto base = base_url(request);
  respond(base ? json_answer(version_answer(*base)) : refuse(request, base.error()));
}

}  // namespace

void add_version_routes(Routes& routes) {
  routes.add(http::Method::kGet, "/", open(), show_versions);
  routes.add(http::Method::kGet, "/v3", open(), show_version);
  routes.add(http::Method::kGet, "/v3/", open(), show_version);
}

}  // namespace drover::api::keystone
