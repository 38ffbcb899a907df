// /api/v1/instances
#include <utility>

#include "api/by_instance.h"
#include "api/json_writer.h"
#include "api/native/native.h"
#include "api/native/requests.h"
#include "fleet/address.h"

namespace drover::api::native {
namespace {

using fleet::LinkState;
using identity::Action;
std::string instances_body(const std::vector<fleet::PhoneView>& phones, std::optional<LinkState> state) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("instances");
  for (const fleet::PhoneView& phone : phones) {
    if (state && phone.state != *state) continue;
    json.open_object().text("instance_id", phone.id).text("address", phone.address);
    json.text("state", to_string(phone.state)).time("since", phone.since_ms);
    json.text("why", phone.why).text("model", phone.model).open_object("labels");
    for (const auto& [key, value] : phone.labels) json.text(key, value);
    json.close_object().close_object();
  }
  json.close_array().close_object();
  return body;
}

// Nothing: all of them.
Checked<std::optional<LinkState>> query_state(const http::Request& request) {
  const auto name = request.query("state");
  if (!name) return std::nullopt;
  for (std::size_t i = 0; i < fleet::kLinkStates; ++i) {
    const auto state = static_cast<LinkState>(i);
    if (*name == to_string(state)) return state;
  }
  return bad_parameter("state must be connecting, online, offline, booting or unauthorized");
}

void list_instances(Services& services, const http::Request& request, const http::Responder& respond,
                    const Caller& caller) {
  const auto state = query_state(request);
  if (!state) return respond(refuse(state.error()));
  services.fleet.list(caller.project(), [&services, caller, respond,
                                         state = *state](Result<std::vector<fleet::PhoneView>> listed) {
    if (!listed) return respond(refuse(refusal_of(listed.error())));
    services.loop.post([caller, respond, state, phones = *std::move(listed)]() mutable {
      leave_out_denied(caller, Action::kListInstances, phones);
      respond(json_answer(instances_body(phones, state)));
    });
  });
}

// The ids of what was put go to the audit log: what is refused may be no ids at all.
void put_allowed(Services& services, const Caller& caller, std::vector<store::Instance> instances,
                 const http::Responder& respond) {
  std::vector<std::string> ids;
  ids.reserve(instances.size());
  for (const store::Instance& instance : instances) ids.push_back(instance.id);
  services.fleet.put(std::move(instances),
                     [respond, note = caller.note, ids = std::move(ids)](const Result<>& done) mutable {
                       if (!done) return respond(refuse(refusal_of(done.error())));
                       const auto stored = static_cast<std::int64_t>(ids.size());
                       note->instances = std::move(ids);
                       std::string body;
                       JsonWriter(body).open_object().number("stored", stored).close_object();
                       respond(json_answer(std::move(body)));
                     });
}

void put_instances(Services& services, const http::Request& request, const http::Responder& respond,
                   const Caller& caller) {
  auto parsed = parse_instances_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  const std::int64_t now = services.clock.unix_ms();
  std::vector<store::Instance> instances;
  instances.reserve(parsed->size());
  for (InstanceRequest& instance : *parsed) {
    instances.push_back({.seq = 0,
                         .project = caller.project(),
                         .id = std::move(instance.id),
                         .address = std::move(instance.address),
                         .labels = std::move(instance.labels),
                         .created_ms = now});
  }
  if_put_allowed(services, caller, std::move(instances), respond,
                 [&services, caller, respond](std::vector<store::Instance> allowed) {
                   put_allowed(services, caller, std::move(allowed), respond);
                 });
}

void remove_instance(Services& services, const http::Request& request, const http::Responder& respond,
                     const Caller& caller) {
  std::string id(request.path_parameter("instance_id"));
  caller.name_subject(id);
  if (fleet::is_instance_id(id)) caller.note->instances = {id};
  const auto remove = [&services, project = caller.project(), id, respond](const auto&) {
    services.fleet.remove(project, id, [respond](const Result<>& removed) {
      respond(removed ? json_answer("{}") : refuse(refusal_of(removed.error())));
    });
  };
  if_allowed(services, caller, Action::kRemoveInstance, {id}, respond, remove);
}

}  // namespace

void add_instance_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kGet, "/api/v1/instances", may_by_instance(Action::kListInstances), list_instances,
             Needs::kTurn);
  routes.add(Method::kPost, "/api/v1/instances", may_by_instance(Action::kPutInstance), put_instances,
             Needs::kTurn, {.max_body = kMaxBody});
  routes.add(Method::kDelete, "/api/v1/instances/{instance_id}", may_by_instance(Action::kRemoveInstance),
             remove_instance);
}

}  // namespace drover::api::native
