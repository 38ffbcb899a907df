// batch-query-status and batch-query.
#include <utility>

#include "api/by_instance.h"
#include "api/json_writer.h"
#include "api/koophone/command_request.h"
#include "api/koophone/envelope.h"
#include "api/koophone/instance_list.h"
#include "api/koophone/koophone.h"

namespace drover::api::koophone {
namespace {

using identity::Action;

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
                  const Caller& caller) {
  auto ids = parse_status_request(request.body());
  if (!ids) return respond(refuse(ids.error()));
  if_allowed(services, caller, Action::kQueryStatus, *std::move(ids), respond,
             [&services, project = caller.project(), respond](std::vector<std::string> allowed) {
               services.fleet.look_up(project, allowed, [allowed, respond](const auto& states) {
                 if (!states) return respond(refuse(refusal_of(states.error())));
                 respond(json_answer(status_answer(allowed, *states)));
               });
             });
}

void list_instances(Services& services, const http::Request& request, const http::Responder& respond,
                    const Caller& caller) {
  auto query = parse_instance_query(request);
  if (!query) return respond(refuse(query.error()));
  services.fleet.list(caller.project(), [&services, respond, query = std::move(*query),
                                         caller](Result<std::vector<fleet::PhoneView>> listed) {
    if (!listed) return respond(refuse(refusal_of(listed.error())));
    services.loop.post([respond, query, caller, phones = *std::move(listed)]() mutable {
      leave_out_denied(caller, Action::kListInstances, phones);
      respond(json_answer(
          instance_list_answer(query, phones, {caller.who->project_id, caller.who->project_name})));
    });
  });
}

}  // namespace

void add_query_routes(Routes& routes) {
  routes.add(http::Method::kPost, "/v1/instances/batch-query-status", may_by_instance(Action::kQueryStatus),
             query_status);
  routes.add(http::Method::kGet, "/v1/instances/batch-query", may_by_instance(Action::kListInstances),
             list_instances, Needs::kTurn);
}

}  // namespace drover::api::koophone
