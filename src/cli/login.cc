#include <boost/json.hpp>
#include <cstdio>

#include "cli/access_commands.h"
#include "cli/client.h"
#include "cli/errc.h"
#include "cli/output.h"
#include "cli/passwords.h"
#include "cli/terminal.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

// As Keystone has it. There is one domain, and whatever a client calls it is accepted.
json::object login_request(const LoginOptions& options, const std::string& password) {
  const json::object domain{{"id", "default"}};
  const json::object user{{"name", options.user}, {"domain", domain}, {"password", password}};
  json::object auth{{"identity", json::object{{"methods", json::array{"password"}},
                                              {"password", json::object{{"user", user}}}}}};
  if (!options.project.empty()) {
    auth["scope"] = json::object{{"project", json::object{{"name", options.project}, {"domain", domain}}}};
  }
  return {{"auth", std::move(auth)}};
}

// "session of alice in project shop until 2026-11-25T03:21:33.000000Z"
std::string about(const json::value& answer, const std::string& user) {
  const json::object* const object = answer.if_object();
  const json::value* const token = object == nullptr ? nullptr : object->if_contains("token");
  if (token == nullptr || !token->is_object()) return "session of " + user;
  const json::value* const project = token->get_object().if_contains("project");
  const std::string where = project == nullptr ? "" : text_of(*project, "name");
  return "session of " + user + (where.empty() ? " in no project" : " in project " + where) + " until " +
         text_of(*token, "expires_at");
}

}  // namespace

int log_in(const LoginOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<std::string> password = options.password_file.empty()
                                           ? ask_password("Password of " + options.user)
                                           : read_secret_file(options.password_file);
  if (!password) return show_error(password.error());
  const Result<json::value> answer = client->log_in(login_request(options, *password));
  if (!answer) return show_error(answer.error());
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  // The token alone goes to standard output, so that DROVER_TOKEN=$(drover login ...) works.
  std::printf("%s\n", printable(text_of(*answer, "session")).c_str());
  std::fprintf(stderr, "%s\n", printable(about(*answer, options.user)).c_str());
  return kExitOk;
}

}  // namespace drover::cli
