#include "api/health.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "api/json_writer.h"

namespace drover::api {
namespace {

std::string status_body(std::string_view status) {
  std::string body;
  JsonWriter(body).open_object().text("status", status).close_object();
  return body;
}

void show_health(Services&, const http::Request&, const http::Responder& respond, const Caller&) {
  respond(json_answer(status_body("ok")));
}

void show_readiness(Services& services, const http::Request&, const http::Responder& respond, const Caller&) {
  if (!services.engine.healthy()) {
    return respond(refuse({503, code::kInternal, "the store did not take the last batch"}));
  }
  if (const Result<> ready = services.ready(); !ready) {
    return respond(refuse({503, code::kInternal, ready.error().message}));
  }
  respond(json_answer(status_body("ready")));
}

void show_metrics(Services& services, const http::Request&, const http::Responder& respond, const Caller&) {
  http::Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = prometheus::TextSerializer().Serialize(services.registry.Collect());
  respond(std::move(response));
}

}  // namespace

void add_health_routes(Routes& routes) {
  routes.add(http::Method::kGet, "/healthz", open(), show_health);
  routes.add(http::Method::kGet, "/readyz", open(), show_readiness);
  routes.add(http::Method::kGet, "/metrics", open(), show_metrics);
}

}  // namespace drover::api
