#include <boost/json.hpp>
#include <cstdio>

#include "cli/access_commands.h"
#include "cli/client.h"
#include "cli/errc.h"
#include "cli/missing.h"
#include "cli/output.h"
#include "cli/passwords.h"
#include "cli/terminal.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

std::string path_of(const std::string& user) { return "/api/v1/users/" + percent_encoded(user); }

// "KooPhone Administrator in all projects"
std::string grant_text(const json::value& grant) {
  const std::string project = text_of(grant, "project");
  return text_of(grant, "role") + " in " + (project.empty() ? "all projects" : project);
}

std::string grants_text(const json::value& user, const char* separator) {
  std::string text;
  for (const json::value& grant : array_of(user, "grants")) {
    if (!text.empty()) text += separator;
    text += grant_text(grant);
  }
  return text;
}

const char* state_of(const json::value& user) {
  return text_of(user, "enabled") == "true" ? "enabled" : "disabled";
}

const char* password_of(const json::value& user) {
  return text_of(user, "has_password") == "true" ? "set" : "none";
}

// Puts into `request` what the password is to be.
Result<> add_password(const UserOptions& options, json::object& request) {
  const NewPassword& source = options.password;
  if (source.none) return {};
  if (source.generate) {
    request["generate_password"] = true;
    return {};
  }
  const Result<std::string> password =
      source.file.empty() ? ask_new_password(options.name) : read_secret_file(source.file);
  if (!password) return Failure(password.error());
  request["password"] = *password;
  return {};
}

// The grant that `options` name. kUsage without a role, or when nothing says where.
Result<json::object> grant_of(const UserOptions& options) {
  if (options.role.empty()) return fail(Errc::kUsage, "--role is missing");
  if (options.project.empty() != options.all_projects) {
    return fail(Errc::kUsage, "a role is held in --project NAME or with --all-projects");
  }
  json::object grant{{"project", nullptr}, {"role", full_role(options.role)}};
  if (!options.all_projects) grant["project"] = options.project;
  return grant;
}

Named named_by(const UserOptions& options) {
  return {.user = options.name, .project = options.project, .role = options.role};
}

// Shows the user that the server answered with. A password that the server made goes to standard output
// alone, so that PASSWORD=$(drover users create ...) works.
int tell(const UserOptions& options, const json::value& user, const std::string& what) {
  if (options.client.json) {
    print_json(user);
    return kExitOk;
  }
  const std::string password = text_of(user, "password");
  const std::string line = printable("user " + options.name + " " + what);
  if (password.empty()) {
    std::printf("%s\n", line.c_str());
  } else {
    std::printf("%s\n", printable(password).c_str());
    std::fprintf(stderr, "%s; the password is not shown again\n", line.c_str());
  }
  return kExitOk;
}

int change(const UserOptions& options, const json::object& request, const std::string& what) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->put(path_of(options.name), request);
  if (!answer) return show_error(explain(*client, answer.error(), {.user = options.name}));
  return tell(options, *answer, what);
}

}  // namespace

int list_users(const UserOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->get("/api/v1/users");
  if (!answer) return show_error(answer.error());
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  Table table({"USER", "STATE", "PASSWORD", "CREATED", "ROLES"});
  for (const json::value& user : array_of(*answer, "users")) {
    table.add({text_of(user, "name"), state_of(user), password_of(user), text_of(user, "created_at"),
               grants_text(user, ", ")});
  }
  table.print();
  return kExitOk;
}

int create_user(const UserOptions& options) {
  json::object request{{"name", options.name}};
  if (!options.role.empty() || !options.project.empty() || options.all_projects) {
    Result<json::object> grant = grant_of(options);
    if (!grant) return show_error(grant.error());
    request["grants"] = json::array{*std::move(grant)};
  }
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  if (const Result<> added = add_password(options, request); !added) return show_error(added.error());
  const Result<json::value> answer = client->post("/api/v1/users", request);
  if (!answer) {
    return show_error(explain(*client, answer.error(), {.project = options.project, .role = options.role}));
  }
  return tell(options, *answer, "created");
}

int show_user(const UserOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->get(path_of(options.name));
  if (!answer) return show_error(explain(*client, answer.error(), {.user = options.name}));
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  const std::string text = "user      " + text_of(*answer, "name") + "\nid        " +
                           text_of(*answer, "user_id") + "\nstate     " + state_of(*answer) + "\npassword  " +
                           password_of(*answer) + "\ncreated   " + text_of(*answer, "created_at") +
                           "\nroles     " + grants_text(*answer, "\n          ");
  std::printf("%s\n", printable(text).c_str());
  return kExitOk;
}

int remove_user(const UserOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->remove(path_of(options.name));
  if (!answer) return show_error(answer.error());
  return tell(options, *answer, "removed");
}

int set_password(const UserOptions& options) {
  json::object request;
  if (const Result<> added = add_password(options, request); !added) return show_error(added.error());
  return change(options, request, "has a new password; older sessions are void");
}

int enable_user(const UserOptions& options) { return change(options, {{"enabled", true}}, "enabled"); }

int disable_user(const UserOptions& options) {
  return change(options, {{"enabled", false}}, "disabled; sessions and keys are void until it is enabled");
}

int grant_role(const UserOptions& options) {
  const Result<json::object> grant = grant_of(options);
  if (!grant) return show_error(grant.error());
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->post(path_of(options.name) + "/grants", *grant);
  if (!answer) return show_error(explain(*client, answer.error(), named_by(options)));
  return tell(options, *answer, "holds " + grant_text(*grant));
}

int revoke_role(const UserOptions& options) {
  const Result<json::object> grant = grant_of(options);
  if (!grant) return show_error(grant.error());
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  std::string target = path_of(options.name) + "/grants?role=" + percent_encoded(full_role(options.role));
  if (!options.all_projects) target += "&project=" + percent_encoded(options.project);
  const Result<json::value> answer = client->remove(target);
  if (!answer) return show_error(explain(*client, answer.error(), {.user = options.name}));
  return tell(options, *answer, "holds " + grant_text(*grant) + " no more");
}

}  // namespace drover::cli
