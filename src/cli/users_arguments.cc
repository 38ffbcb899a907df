#include "cli/access_commands.h"
#include "cli/client_command.h"

namespace drover::cli {
namespace {

using Options = std::shared_ptr<UserOptions>;

CLI::Option* add_password_options(CLI::App& command, const Options& options) {
  CLI::Option* const file =
      command
          .add_option("--password-file", options->password.file,
                      "Take the password from the first line of this file; - is standard input")
          ->type_name("FILE");
  return command
      .add_flag("--generate-password", options->password.generate,
                "Let the server make it; it is printed this once")
      ->excludes(file);
}

void add_grant_options(CLI::App& command, const Options& options) {
  command.add_option("--role", options->role, "admin, readonly or a policy: `drover policy list` shows them")
      ->type_name("ROLE");
  CLI::Option* const project =
      command.add_option("--project", options->project, "Held in this project")->type_name("NAME");
  command.add_flag("--all-projects", options->all_projects, "Held in all projects")->excludes(project);
}

}  // namespace

void add_users(CLI::App& app, Action& action) {
  CLI::App& users = add_group(app, "users", "Who may log in or sign requests, and in which roles",
                              "drover users create alice --role admin --project shop");
  const auto options = std::make_shared<UserOptions>();
  const auto add = [&](const char* name, const char* help, const char* example,
                       int (*run)(const UserOptions&)) -> CLI::App& {
    CLI::App& command = add_command<UserOptions>(users, name, help, example, options, run, action);
    add_client_options(command, options->client, Project::kNone);
    return command;
  };
  add("list", "All users and their roles", "drover users list", list_users);
  CLI::App& create =
      add("create", "Make a user; asks for the password unless told otherwise",
          "drover users create alice --role admin --project shop\n"
          "  PASSWORD=$(drover users create bob --generate-password)\n"
          "  drover users create ci --no-password --role readonly --all-projects    # for access keys",
          create_user);
  CLI::App& show = add("show", "One user", "drover users show alice", show_user);
  CLI::App& remove = add("remove", "Remove a user with all roles and access keys; sessions end",
                         "drover users remove alice", remove_user);
  CLI::App& password = add("password", "Give a user a new password; sessions from before end",
                           "drover users password alice\n"
                           "  drover users password alice --password-file - < secret.txt",
                           set_password);
  CLI::App& enable = add("enable", "Let a disabled user in again", "drover users enable alice", enable_user);
  CLI::App& disable = add("disable", "Let a user in no more: sessions end, access keys rest",
                          "drover users disable alice", disable_user);
  CLI::App& grant =
      add("grant", "Give a user a role in a project, or in all",
          "drover users grant alice --role admin --project shop\n"
          "  drover users grant root --role admin --all-projects    # may administer the server",
          grant_role);
  CLI::App& revoke = add("revoke", "Take a role from a user; counts with the next request",
                         "drover users revoke alice --role admin --project shop", revoke_role);

  for (CLI::App* command : {&create, &show, &remove, &password, &enable, &disable, &grant, &revoke}) {
    command->add_option("name", options->name, "The user: 1 to 64 of A-Z a-z 0-9 _ - . @ and inner spaces")
        ->required()
        ->type_name("");
  }
  CLI::Option* const generate = add_password_options(create, options);
  create.add_flag("--no-password", options->password.none, "Only access keys will open it")
      ->excludes(generate)
      ->excludes(create.get_option("--password-file"));
  add_password_options(password, options);
  for (CLI::App* command : {&create, &grant, &revoke}) add_grant_options(*command, options);
}

}  // namespace drover::cli
