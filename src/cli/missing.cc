#include "cli/missing.h"

#include <algorithm>
#include <boost/json.hpp>

#include "cli/errc.h"
#include "cli/output.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

constexpr const char* kAdministrator = "KooPhone Administrator";
constexpr const char* kReadOnlyUser = "KooPhone ReadOnlyUser";

bool is_missing(const Client& client, const std::string& target) {
  const Result<json::value> answer = client.get(target);
  return !answer && answer.error().code == Errc::kMissing;
}

bool is_missing_project(const Client& client, const std::string& project) {
  const Result<json::value> answer = client.get("/api/v1/projects");
  if (!answer) return false;
  return std::ranges::none_of(array_of(*answer, "projects"), [&](const json::value& one) {
    return text_of(one, "name") == project || text_of(one, "project_id") == project;
  });
}

bool is_missing_role(const Client& client, const std::string& role) {
  const std::string full = full_role(role);
  if (full == kAdministrator || full == kReadOnlyUser) return false;
  return is_missing(client, "/api/v1/policies/" + percent_encoded(role));
}

Error missing(const std::string& kind, const std::string& name, const std::string& command) {
  return {Errc::kMissing, "no such " + kind + ": " + name + "; make it with `drover " + command + "`"};
}

}  // namespace

std::string full_role(const std::string& role) {
  if (role == "admin") return kAdministrator;
  if (role == "readonly") return kReadOnlyUser;
  return role;
}

Error explain(const Client& client, Error error, const Named& named) {
  if (error.code != Errc::kMissing) return error;
  const auto& [user, project, role] = named;
  if (!project.empty() && is_missing_project(client, project)) {
    return missing("project", project, "projects create " + project);
  }
  if (!user.empty() && is_missing(client, "/api/v1/users/" + percent_encoded(user))) {
    return missing("user", user, "users create " + user);
  }
  if (!role.empty() && is_missing_role(client, role)) {
    return missing("role", role, "policy put " + role + " FILE");
  }
  return error;
}

}  // namespace drover::cli
