#include <boost/json.hpp>
#include <cstdio>

#include "cli/access_commands.h"
#include "cli/client.h"
#include "cli/errc.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace drover::cli {

namespace json = boost::json;

int list_projects(const ProjectOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->get("/api/v1/projects");
  if (!answer) return show_error(answer.error());
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  Table table({"PROJECT", "ID", "CREATED", "COMMANDS"});
  for (const json::value& project : array_of(*answer, "projects")) {
    const bool strict = text_of(project, "koophone_commands_only") == "true";
    table.add({text_of(project, "name"), text_of(project, "project_id"), text_of(project, "created_at"),
               strict ? "KooPhone's only" : "any"});
  }
  table.print();
  return kExitOk;
}

int create_project(const ProjectOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  json::object request{{"name", options.name}, {"koophone_commands_only", options.koophone_commands_only}};
  if (!options.id.empty()) request["id"] = options.id;
  const Result<json::value> answer = client->post("/api/v1/projects", request);
  if (!answer) return show_error(answer.error());
  if (options.client.json) {
    print_json(*answer);
  } else {
    const std::string name = printable(options.name);
    std::printf(
        "project %s created, id %s\n"
        "Let a user in:   drover users grant NAME --project %s --role ROLE\n"
        "A token for it:  drover tokens create --project %s --role admin\n",
        name.c_str(), printable(text_of(*answer, "project_id")).c_str(), name.c_str(), name.c_str());
  }
  return kExitOk;
}

}  // namespace drover::cli
