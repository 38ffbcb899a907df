#include <boost/json.hpp>
#include <cstdio>

#include "cli/access_commands.h"
#include "cli/client.h"
#include "cli/errc.h"
#include "cli/missing.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace drover::cli {

namespace json = boost::json;

int list_tokens(const TokenOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  std::string target = "/api/v1/tokens";
  if (!options.project.empty()) target += "?project=" + percent_encoded(options.project);
  const Result<json::value> answer = client->get(target);
  if (!answer) return show_error(explain(*client, answer.error(), {.project = options.project}));
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  Table table({"TOKEN ID", "PROJECT", "ROLE", "CREATED", "EXPIRES"});
  for (const json::value& token : array_of(*answer, "tokens")) {
    table.add({text_of(token, "token_id"), text_of(token, "project"), text_of(token, "role"),
               text_of(token, "created_at"), text_of(token, "expires_at")});
  }
  table.print();
  return kExitOk;
}

int create_token(const TokenOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const std::string project = options.project.empty() ? client->endpoint().project : options.project;
  if (project.empty())
    return show_error({Errc::kUsage, "--project is missing; only this machine's server has a default"});
  const json::object request{
      {"project", project}, {"role", options.role}, {"expires_s", options.expires.count()}};
  const Result<json::value> answer = client->post("/api/v1/tokens", request);
  if (!answer) {
    return show_error(explain(*client, answer.error(), {.project = project, .role = options.role}));
  }
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  // The secret alone goes to standard output, so that TOKEN=$(drover tokens create ...) works.
  std::printf("%s\n", printable(text_of(*answer, "token")).c_str());
  const std::string about = "token " + text_of(*answer, "token_id") + ": " + text_of(*answer, "role") +
                            " of project " + text_of(*answer, "project") + " until " +
                            text_of(*answer, "expires_at") + "; it is not shown again";
  std::fprintf(stderr, "%s\n", printable(about).c_str());
  return kExitOk;
}

int revoke_token(const TokenOptions& options) {
  // It would be sent where an id belongs, and cannot be looked up.
  if (options.id.starts_with("drv_"))
    return show_error(
        {Errc::kUsage, "that is the token itself; its id begins with tok_: `drover tokens list` shows it"});
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->remove("/api/v1/tokens/" + percent_encoded(options.id));
  if (!answer) return show_error(answer.error());
  if (options.client.json) print_json(*answer);
  if (!options.client.json) std::printf("revoked\n");
  return kExitOk;
}

}  // namespace drover::cli
