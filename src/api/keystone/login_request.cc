#include "api/keystone/login_request.h"

#include <optional>
#include <utility>

#include "api/json_reader.h"
#include "api/rules.h"
#include "identity/password.h"

namespace drover::api::keystone {
namespace {

using Text = std::optional<std::string>;

struct Members {
  StringList methods{2};
  Text user_id;
  Text user_name;
  Text password;
  Text scope;
  Text project_id;
  Text project_name;
  AnyObject project;
  AnyObject unscoped;
  AnyObject domain;
  AnyObject system;
  AnyObject trust;
};

Checked<Members> read(std::string_view body) {
  Members got;
  const Member members[] = {{"auth.identity.methods", &got.methods},
                            {"auth.identity.password.user.id", &got.user_id},
                            {"auth.identity.password.user.name", &got.user_name},
                            {"auth.identity.password.user.password", &got.password},
                            {"auth.scope", &got.scope},
                            {"auth.scope.project", &got.project},
                            {"auth.scope.project.id", &got.project_id},
                            {"auth.scope.project.name", &got.project_name},
                            {"auth.scope.unscoped", &got.unscoped},
                            {"auth.scope.domain", &got.domain},
                            {"auth.scope.system", &got.system},
                            {"auth.scope.OS-TRUST:trust", &got.trust}};
  if (auto done = read_json_object(body, members); !done) return tl::unexpected(std::move(done.error()));
  return got;
}

Checked<> check_methods(const StringList& methods) {
  if (!methods.present) return bad_parameter("auth.identity.methods is missing; it must be [\"password\"]");
  if (methods.count == 1 && methods.items.front() == "password") return {};
  return bad_parameter("auth.identity.methods must be [\"password\"]: there is no other way to log in");
}

Checked<std::string> check_text(std::string_view path, Text text, std::size_t longest) {
  if (!text) return bad_parameter(std::string(path) + " is missing; it must be a string");
  if (text->empty() || text->size() > longest) {
    return bad_parameter(std::string(path) + " must be 1 to " + grouped(static_cast<std::int64_t>(longest)) +
                         " bytes, got " + grouped(static_cast<std::int64_t>(text->size())));
  }
  return std::move(*text);
}

// Of the thing at `path`.
Checked<std::string> check_id_or_name(const std::string& path, Text id, Text name) {
  if (id) return check_text(path + ".id", std::move(id), kLongestName);
  if (name) return check_text(path + ".name", std::move(name), kLongestName);
  return bad_parameter(path + " must have a name or an id");
}

Checked<> set_scope(Members& got, LoginRequest& login) {
  if (got.scope && *got.scope != "unscoped")
    return bad_parameter("auth.scope must be \"unscoped\" or an object that holds a project");
  if (got.domain.present || got.system.present || got.trust.present) {
    return bad_parameter(
        "auth.scope may hold a project only: there are no roles in domains, in the system or by trust");
  }
  login.unscoped = got.scope || got.unscoped.present;
  if (!got.project.present) return {};
  if (login.unscoped) return bad_parameter("auth.scope must be either a project or unscoped");
  auto project =
      check_id_or_name("auth.scope.project", std::move(got.project_id), std::move(got.project_name));
  if (!project) return tl::unexpected(std::move(project.error()));
  login.project = std::move(*project);
  return {};
}

}  // namespace

Checked<LoginRequest> parse_login_request(std::string_view body) {
  auto got = read(body);
  if (!got) return tl::unexpected(std::move(got.error()));
  if (auto good = check_methods(got->methods); !good) return tl::unexpected(std::move(good.error()));

  LoginRequest login;
  auto user =
      check_id_or_name("auth.identity.password.user", std::move(got->user_id), std::move(got->user_name));
  if (!user) return tl::unexpected(std::move(user.error()));
  login.user = std::move(*user);
  if (auto good = set_scope(*got, login); !good) return tl::unexpected(std::move(good.error()));
  auto password = check_text("auth.identity.password.user.password", std::move(got->password),
                             identity::kLongestPassword);
  if (!password) return tl::unexpected(std::move(password.error()));
  login.password = std::move(*password);
  return login;
}

}  // namespace drover::api::keystone
