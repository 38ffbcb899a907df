// /api/v1/instances
#include <utility>

#include "api/json_writer.h"
#include "api/native/native.h"
#include "api/native/requests.h"

namespace drover::api::native {
namespace {

using fleet::LinkState;
using identity::Principal;

std::string instances_body(const std::vector<fleet::PhoneView>& phones, std::optional<LinkState> state) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("instances");
  for (const fleet::PhoneView& phone : phones) {
    if (state && phone.state != *state) continue;
    json.open_object().text("instance_id", phone.id).text("address", phone.address);
    json.text("state", to_string(phone.state)).time("since", phone.since_ms);
    json.text("why", phone.why).text("model", phone.model).close_object();
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
                    const Principal& who) {
  const auto state = query_state(request);
  if (!state) return respond(refuse(state.error()));
  services.fleet.list(who.project,
                      [&services, respond, state = *state](std::vector<fleet::PhoneView> phones) {
                        services.loop.post([respond, state, phones = std::move(phones)] {
                          respond(json_answer(instances_body(phones, state)));
                        });
                      });
}

void put_instances(Services& services, const http::Request& request, const http::Responder& respond,
                   const Principal& who) {
  auto parsed = parse_instances_request(request.body());
  if (!parsed) return respond(refuse(parsed.error()));
  const std::int64_t now = services.clock.unix_ms();
  std::vector<store::Instance> instances;
  instances.reserve(parsed->size());
  for (InstanceRequest& instance : *parsed) {
    instances.push_back({.seq = 0,
                         .project = who.project,
                         .id = std::move(instance.id),
                         .address = std::move(instance.address),
                         .created_ms = now});
  }
  services.fleet.put(std::move(instances), [respond, stored = parsed->size()](const Result<>& done) {
    if (!done) return respond(refuse(refusal_of(done.error())));
    std::string body;
    JsonWriter(body).open_object().number("stored", static_cast<std::int64_t>(stored)).close_object();
    respond(json_answer(std::move(body)));
  });
}

void remove_instance(Services& services, const http::Request& request, const http::Responder& respond,
                     const Principal& who) {
  services.fleet.remove(who.project, std::string(request.path_parameter("instance_id")),
                        [respond](const Result<>& removed) {
                          respond(removed ? json_answer("{}") : refuse(refusal_of(removed.error())));
                        });
}

}  // namespace

void add_instance_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kGet, "/api/v1/instances", Access::kRead, list_instances, Needs::kTurn);
  routes.add(Method::kPost, "/api/v1/instances", Access::kChange, put_instances, Needs::kTurn,
             {.max_body = kMaxBody});
  routes.add(Method::kDelete, "/api/v1/instances/{instance_id}", Access::kChange, remove_instance);
}

}  // namespace drover::api::native
