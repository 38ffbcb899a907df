#include "api/native/admin_answers.h"

#include "api/native/admin_requests.h"

namespace drover::api::native {

void append(JsonWriter& json, const store::Project& project) {
  json.text("name", project.name).text("project_id", project.id);
  json.boolean("koophone_commands_only", project.koophone_commands_only);
  json.time("created_at", project.created_ms);
}

void append(JsonWriter& json, const identity::TokenView& token) {
  json.text("token_id", token.id).text("project", token.project).text("role", role_of_policy(token.policy));
  json.time("created_at", token.created_ms).time("expires_at", token.expires_ms);
}

void append(JsonWriter& json, const identity::UserView& user) {
  json.text("name", user.name).text("user_id", user.id).boolean("enabled", user.enabled);
  json.boolean("has_password", user.has_password).time("created_at", user.created_ms).open_array("grants");
  for (const identity::GrantView& grant : user.grants) {
    json.open_object();
    if (grant.project.empty()) {
      json.null("project");
    } else {
      json.text("project", grant.project);
    }
    json.text("role", grant.policy).close_object();
  }
  json.close_array();
}

void append(JsonWriter& json, const identity::KeyView& key) {
  json.text("access_key", key.id).text("user", key.user).time("created_at", key.created_ms);
}

}  // namespace drover::api::native
