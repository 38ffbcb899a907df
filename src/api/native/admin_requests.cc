#include "api/native/admin_requests.h"

#include <iterator>
#include <utility>

#include "api/json_reader.h"
#include "api/rules.h"
#include "identity/identity.h"
#include "identity/password.h"

namespace drover::api::native {
namespace {

constexpr std::int64_t kDefaultTokenLifetime = 86'400;  // seconds
constexpr std::size_t kMostGrants = 1'000;              // in one request

tl::unexpected<Refusal> missing(std::string_view name, std::string_view type) {
  return bad_parameter(std::string(name) + " is missing; it must be " + std::string(type));
}

// An empty name is no name: it must not come to mean "all projects".
Checked<std::string> check_project(std::string_view where, bool present, std::optional<std::string> name) {
  if (!present) return missing(where, "a project's name, or null for all projects");
  if (!name) return std::string();
  if (name->empty()) return bad_parameter(std::string(where) + " must be a project's name, or null");
  return *std::move(name);
}

Checked<std::vector<identity::GrantView>> check_grants(RecordList list) {
  if (list.count > list.max)
    return bad_parameter("grants must hold at most " + grouped(kMostGrants) + " grants");
  std::vector<identity::GrantView> grants;
  for (std::size_t i = 0; i < list.count; ++i) {
    const std::string where = "grants[" + std::to_string(i) + "].";
    std::optional<std::string>& project_name = list.values[2 * i];
    const bool present = project_name.has_value() || list.is_null(i);
    auto project = check_project(where + "project", present, std::move(project_name));
    if (!project) return tl::unexpected(std::move(project.error()));
    const std::optional<std::string>& role = list.values[2 * i + 1];
    if (!role) return missing(where + "role", "a role's name");
    grants.push_back({*std::move(project), policy_of_role(*role)});
  }
  return grants;
}

// The password that a request brings, or asks to be made.
struct Password {
  std::optional<std::string> value;
  bool made = false;
};
Checked<Password> check_password(std::optional<std::string> given, std::optional<bool> generate) {
  if (!generate.value_or(false)) return Password{std::move(given), false};
  if (given) return bad_parameter("either password or generate_password may be given");
  return Password{identity::make_password(), true};
}

}  // namespace

std::string policy_of_role(std::string_view role) {
  if (role == "admin") return std::string(identity::kAdministrator);
  if (role == "readonly") return std::string(identity::kReadOnlyUser);
  return std::string(role);
}

std::string_view role_of_policy(std::string_view policy) {
  if (policy == identity::kAdministrator) return "admin";
  return policy == identity::kReadOnlyUser ? "readonly" : policy;
}

Checked<ProjectRequest> parse_project_request(std::string_view body) {
  std::optional<std::string> name;
  std::optional<std::string> id;
  std::optional<bool> koophone_commands_only;
  const Member members[] = {
      {"name", &name}, {"id", &id}, {"koophone_commands_only", &koophone_commands_only}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  if (!name) return missing("name", "a string");
  if (id && id->empty()) return bad_parameter("id must be 32 lower-case hex digits");
  return ProjectRequest{*std::move(name), std::move(id).value_or(""), koophone_commands_only.value_or(false)};
}

Checked<TokenRequest> parse_token_request(std::string_view body) {
  std::optional<std::string> project;
  std::optional<std::string> role;
  std::optional<std::int64_t> expires;
  const Member members[] = {{"project", &project}, {"role", &role}, {"expires_s", &expires}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  if (!project) return missing("project", "a string");
  if (!role) return missing("role", "admin, readonly or a policy's name");
  return TokenRequest{*std::move(project), policy_of_role(*role), expires.value_or(kDefaultTokenLifetime)};
}

Checked<UserRequest> parse_user_request(std::string_view body) {
  std::optional<std::string> name;
  std::optional<std::string> given;
  std::optional<bool> generate;
  RecordList list(kMostGrants, {"project", "role"});
  list.nullable = "project";
  const Member members[] = {
      {"name", &name}, {"password", &given}, {"generate_password", &generate}, {"grants", &list}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  if (!name) return missing("name", "a string");
  auto password = check_password(std::move(given), generate);
  if (!password) return tl::unexpected(std::move(password.error()));
  auto grants = check_grants(std::move(list));
  if (!grants) return tl::unexpected(std::move(grants.error()));
  UserRequest request;
  if (password->made) request.shown_password = *password->value;
  request.user = {*std::move(name), std::move(password->value).value_or(""), *std::move(grants)};
  return request;
}

Checked<UserChangeRequest> parse_user_change_request(std::string_view body) {
  std::optional<std::string> given;
  std::optional<bool> generate;
  std::optional<bool> enabled;
  const Member members[] = {{"password", &given}, {"generate_password", &generate}, {"enabled", &enabled}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  auto password = check_password(std::move(given), generate);
  if (!password) return tl::unexpected(std::move(password.error()));
  if (!password->value && !enabled) {
    return bad_parameter("password, generate_password or enabled must be given");
  }
  UserChangeRequest request;
  if (password->made) request.shown_password = *password->value;
  request.change = {std::move(password->value), enabled};
  return request;
}

Checked<identity::GrantView> parse_grant_request(std::string_view body) {
  NullableText project;
  std::optional<std::string> role;
  const Member members[] = {{"project", &project}, {"role", &role}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  auto name = check_project("project", project.present, std::move(project.text));
  if (!name) return tl::unexpected(std::move(name.error()));
  if (!role) return missing("role", "a role's name");
  return identity::GrantView{*std::move(name), policy_of_role(*role)};
}

Checked<PasswordRequest> parse_password_request(std::string_view body) {
  std::optional<std::string> old_password;
  std::optional<std::string> new_password;
  const Member members[] = {{"old_password", &old_password}, {"new_password", &new_password}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  if (!old_password) return missing("old_password", "a string");
  if (!new_password) return missing("new_password", "a string");
  return PasswordRequest{*std::move(old_password), *std::move(new_password)};
}

Checked<KeyRequest> parse_key_request(std::string_view body) {
  std::optional<std::string> user;
  std::optional<std::string> access_key;
  std::optional<std::string> secret_key;
  const Member members[] = {{"user", &user}, {"access_key", &access_key}, {"secret_key", &secret_key}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  if (!user) return missing("user", "a string");
  if (access_key.has_value() != secret_key.has_value()) {
    return bad_parameter("access_key and secret_key must be given both, or neither");
  }
  return KeyRequest{*std::move(user), std::move(access_key).value_or(""), std::move(secret_key).value_or("")};
}

}  // namespace drover::api::native
