#include "cli/access_commands.h"
#include "cli/client_command.h"

namespace drover::cli {

void add_projects(CLI::App& app, Action& action) {
  CLI::App& projects = add_group(app, "projects", "Tenants: each has instances, tasks and tokens of its own",
                                 "drover projects create shop");
  const auto options = std::make_shared<ProjectOptions>();
  CLI::App& list = add_command<ProjectOptions>(projects, "list", "All projects", "drover projects list",
                                               options, list_projects, action);
  CLI::App& create = add_command<ProjectOptions>(
      projects, "create", "Make a project",
      "drover projects create shop\n"
      "  drover projects create shop --id 0a1b2c3d4e5f60718293a4b5c6d7e8f9    # the one that clients know",
      options, create_project, action);
  create.add_option("name", options->name, "1 to 64 of A-Z a-z 0-9 _ -")->required()->type_name("");
  create.add_option("--id", options->id, "32 lower-case hex digits; default: the server makes one")
      ->type_name("HEX");
  create.add_flag("--koophone-commands-only", options->koophone_commands_only,
                  "Allow only the characters that KooPhone documents for commands");
  for (CLI::App* command : {&list, &create}) add_client_options(*command, options->client, Project::kNone);
}

void add_tokens(CLI::App& app, Action& action) {
  CLI::App& tokens = add_group(app, "tokens", "Secrets that open a project to API clients",
                               "drover tokens create --project shop --role admin --expires 24h");
  const auto options = std::make_shared<TokenOptions>();
  CLI::App& list =
      add_command<TokenOptions>(tokens, "list", "All tokens, without their secrets",
                                "drover tokens list --project shop", options, list_tokens, action);
  CLI::App& create =
      add_command<TokenOptions>(tokens, "create", "Make a token; its secret is shown this once",
                                "TOKEN=$(drover tokens create --project shop --role admin --expires 24h)",
                                options, create_token, action);
  create.add_option("--role", options->role, "admin, readonly (the default) or a policy")->type_name("ROLE");
  add_duration(create, "--expires", options->expires, "How long it is valid");
  for (CLI::App* command : {&list, &create}) {
    command->add_option("--project", options->project, "The project")->type_name("NAME");
  }
  CLI::App& revoke = add_command<TokenOptions>(tokens, "revoke", "End a token's validity now",
                                               "drover tokens revoke 3f9c2a", options, revoke_token, action);
  revoke.add_option("id", options->id, "The token's id, as `list` shows it")->required()->type_name("");
  for (CLI::App* command : {&list, &create, &revoke}) {
    add_client_options(*command, options->client, Project::kNone);
  }
}

void add_keys(CLI::App& app, Action& action) {
  CLI::App& keys = add_group(app, "keys", "Access keys, by which a user's programs sign requests (AK/SK)",
                             "drover keys create --user ci");
  const auto options = std::make_shared<KeyOptions>();
  CLI::App& list = add_command<KeyOptions>(keys, "list", "All access keys, without their secrets",
                                           "drover keys list --user ci", options, list_keys, action);
  list.add_option("--user", options->user, "Only those of this user")->type_name("NAME");
  CLI::App& create = add_command<KeyOptions>(
      keys, "create", "Make a key: the access key and, on a second line, its secret, shown this once",
      "{ read -r ak; read -r sk; } < <(drover keys create --user ci)\n"
      "  drover keys create --user ci --access-key KNOWNTOCLIENTS --secret-file secret.txt",
      options, create_key, action);
  create.add_option("--user", options->user, "Whose it is")->required()->type_name("NAME");
  create.add_option("--access-key", options->access_key, "Take over a key that clients have already")
      ->type_name("AK");
  create
      .add_option("--secret-file", options->secret_file,
                  "Its secret: the first line of this file; - is standard input")
      ->type_name("FILE");
  CLI::App& remove =
      add_command<KeyOptions>(keys, "remove", "End a key's validity now", "drover keys remove KNOWNTOCLIENTS",
                              options, remove_key, action);
  remove.add_option("access-key", options->access_key, "The access key")->required()->type_name("");
  for (CLI::App* command : {&list, &create, &remove}) {
    add_client_options(*command, options->client, Project::kNone);
  }
}

void add_login(CLI::App& app, Action& action) {
  const auto options = std::make_shared<LoginOptions>();
  CLI::App& login =
      add_command<LoginOptions>(app, "login", "Get a session's token for a user's password",
                                "export DROVER_SERVER=https://drover.example:8580\n"
                                "  export DROVER_TOKEN=$(drover login --user alice --project shop)",
                                options, log_in, action);
  login.add_option("--user", options->user, "Name of the user")->required()->type_name("NAME");
  login.add_option("--project", options->project, "For this project; default: the user's only one")
      ->type_name("NAME");
  login
      .add_option("--password-file", options->password_file,
                  "Take the password from the first line of this file; - is standard input")
      ->type_name("FILE");
  add_client_options(login, options->client, Project::kNone);
}

void add_audit(CLI::App& app, Action& action) {
  const auto options = std::make_shared<AuditOptions>();
  CLI::App& audit = add_command<AuditOptions>(
      app, "audit", "Who did what, and who was refused: JSON, an entry a line",
      "drover audit --from 2026-11-24T00:00:00Z | jq -r 'select(.status == 403) | .actor'\n"
      "  drover audit --follow --after 1200\n\n"
      "Oldest first. With --follow it goes on with new entries until Ctrl-C.",
      options, print_audit, action);
  audit.add_option("--after", options->after, "Only entries with a larger number (seq)")->type_name("N");
  audit.add_option("--project", options->project, "Only those of this project")->type_name("NAME");
  audit.add_option("--from", options->from, "Only from this time on, UTC")->type_name("TIME");
  audit.add_option("--until", options->until, "Only from before this time")->type_name("TIME");
  audit.add_flag("--follow", options->follow, "Wait for new entries");
  add_client_options(audit, options->client, Project::kNone);
}

}  // namespace drover::cli
