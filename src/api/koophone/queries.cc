// batch-query-status and batch-query.
#include <utility>

#include "api/json_writer.h"
#include "api/koophone/command_request.h"
#include "api/koophone/envelope.h"
#include "api/koophone/instance_list.h"
#include "api/koophone/koophone.h"

namespace drover::api::koophone {
namespace {

using identity::Principal;

std::string status_answer(const std::vector<std::string>& ids,
                          const std::vector<std::optional<fleet::LinkState>>& states) {
  std::string body;
  body.reserve(64 + ids.size() * 64);
  JsonWriter json(body);
  json.open_object().open_object("data").open_array("status_results");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    json.open_object().text("instance_id", ids[i]).number("status", status_number(states[i])).close_object();
  }
  json.close_array().close_object();
  close_envelope(json);
  return body;
}

void query_status(Services& services, const http::Request& request, const http::Responder& respond,
                  const Principal& who) {
  auto ids = parse_status_request(request.body());
  if (!ids) return respond(refuse(ids.error()));
  services.fleet.look_up(who.project, *ids, [ids = *ids, respond](const auto& states) {
    respond(json_answer(status_answer(ids, states)));
  });
}

std::string project_name(const identity::Identity& identity, std::int64_t project) {
  for (store::Project& known : identity.projects()) {
    if (known.seq == project) return std::move(known.name);
  }
  return {};
}

void list_instances(Services& services, const http::Request& request, const http::Responder& respond,
                    const Principal& who) {
  auto query = parse_instance_query(request);
  if (!query) return respond(refuse(query.error()));
  services.fleet.list(who.project, [&services, respond, query = std::move(*query),
                                    project = who.project](std::vector<fleet::PhoneView> phones) {
    services.loop.post([&services, respond, query, project, phones = std::move(phones)] {
      respond(json_answer(instance_list_answer(query, phones, project_name(services.identity, project))));
    });
  });
}

}  // namespace

void add_query_routes(Routes& routes) {
  routes.add(http::Method::kPost, "/v1/instances/batch-query-status", Access::kRead, query_status);
  routes.add(http::Method::kGet, "/v1/instances/batch-query", Access::kRead, list_instances, Needs::kTurn);
}

}  // namespace drover::api::koophone
