// /api/v1/policies: roles of one's own.
#include <utility>

#include "api/json_writer.h"
#include "api/native/admin_answers.h"
#include "api/native/native.h"

namespace drover::api::native {
namespace {

// What a system role allows, in the form of a policy.
std::string system_policy(bool queries_only) {
  std::string text;
  JsonWriter json(text);
  json.open_object().text("Version", "1.1").open_array("Statement").open_object().text("Effect", "Allow");
  json.open_array("Action");
  if (queries_only) {
    for (std::size_t i = 0; i < identity::kActions; ++i) {
      const auto action = static_cast<identity::Action>(i);
      if (identity::is_query(action)) json.item(identity::name_of(action));
    }
  } else {
    json.item("*");
  }
  json.close_array().close_object().close_array().close_object();
  return text;
}

void append_system_role(JsonWriter& json, std::string_view name) {
  json.open_object().text("name", name).boolean("system", true).null("created_at");
  json.raw("policy", system_policy(name == identity::kReadOnlyUser)).close_object();
}

// A text that is damaged is not shown: the answer must stay JSON.
void append_policy(JsonWriter& json, const store::Policy& policy) {
  json.open_object().text("name", policy.name).boolean("system", false).time("created_at", policy.created_ms);
  if (identity::parse_policy(policy.name, policy.text)) {
    json.raw("policy", policy.text);
  } else {
    json.null("policy");
  }
  json.close_object();
}

void list_policies(Services& services, const http::Request&, const http::Responder& respond, const Caller&) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("policies");
  append_system_role(json, identity::kAdministrator);
  append_system_role(json, identity::kReadOnlyUser);
  for (const store::Policy& policy : services.identity.policies()) append_policy(json, policy);
  json.close_array().close_object();
  respond(json_answer(std::move(body)));
}

void show_policy(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller&) {
  const std::string_view name = request.path_parameter("name");
  std::string body;
  JsonWriter json(body);
  if (name == identity::kAdministrator || name == identity::kReadOnlyUser) {
    append_system_role(json, name);
    return respond(json_answer(std::move(body)));
  }
  const auto policy = services.identity.policy(name);
  if (!policy) return respond(refuse(not_found("no such policy")));
  append_policy(json, *policy);
  respond(json_answer(std::move(body)));
}

void put_policy(Services& services, const http::Request& request, const http::Responder& respond,
                const Caller& caller) {
  const std::string_view name = request.path_parameter("name");
  caller.name_subject(name);
  // A role of this name would never be looked for.
  if (name == "admin" || name == "readonly")
    return respond(refuse(bad_parameter("admin and readonly are names of system roles").value()));
  services.identity.put_policy(std::string(name), std::string(request.body()), done_answer(respond));
}

void remove_policy(Services& services, const http::Request& request, const http::Responder& respond,
                   const Caller& caller) {
  const std::string_view name = request.path_parameter("name");
  caller.name_subject(name);
  services.identity.remove_policy(std::string(name), done_answer(respond));
}

}  // namespace

void add_policy_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kGet, "/api/v1/policies", administrator("drover:policy:list"), list_policies);
  routes.add(Method::kGet, "/api/v1/policies/{name}", administrator("drover:policy:show"), show_policy);
  routes.add(Method::kPut, "/api/v1/policies/{name}", administrator("drover:policy:put"), put_policy);
  routes.add(Method::kDelete, "/api/v1/policies/{name}", administrator("drover:policy:remove"),
             remove_policy);
}

}  // namespace drover::api::native
