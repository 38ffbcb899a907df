#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/duration.h"

namespace drover::cli {
namespace {

enum class Project { kOption, kNone };

void add_client_options(CLI::App& app, ClientOptions& options, Project project = Project::kOption) {
  app.add_flag("--json", options.json, "Print JSON, for programs");
  app.add_option("--server", options.server,
                 "Server to ask, http://HOST:PORT; default: the one on this machine, "
                 "through the socket in its data folder (DROVER_SERVER)")
      ->type_name("URL")
      ->group("Server");
  app.add_option("--token", options.token, "Token, needed with --server; better given as DROVER_TOKEN")
      ->type_name("SECRET")
      ->group("Server");
  if (project == Project::kOption) {
    app.add_option("--project", options.project,
                   "Project, without --server; default: default (DROVER_PROJECT)")
        ->type_name("NAME")
        ->group("Server");
  }
  app.add_option("--data-dir", options.data_dir, "Data folder of the server on this machine")
      ->type_name("DIR")
      ->group("Server");
  app.add_option("--config", options.config, "Settings to take the data folder from (DROVER_CONFIG)")
      ->type_name("FILE")
      ->group("Server");
}

// An option that takes a span of time.
void add_duration(CLI::App& app, const std::string& name, Seconds& target, const std::string& help) {
  const auto take = [&target, name](const std::string& text) {
    const Result<Seconds> span = parse_duration(text);
    if (!span) throw CLI::ValidationError(name, span.error().message);
    target = *span;
  };
  app.add_option_function<std::string>(name, take, help + "; default: " + format_duration(target))
      ->type_name("TIME");
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// A subcommand that calls `run` with its options.
template <typename Options>
CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& help,
                      const std::string& example, const std::shared_ptr<Options>& options,
                      int (*run)(const Options&), Action& action) {
  CLI::App* const command = parent.add_subcommand(name, help);
  command->footer("Example:\n  " + example);
  command->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
  return *command;
}

CLI::App& add_group(CLI::App& app, const std::string& name, const std::string& help,
                    const std::string& example) {
  CLI::App* const group = app.add_subcommand(name, help);
  group->require_subcommand(1);
  group->footer("Example:\n  " + example);
  return *group;
}

}  // namespace

void add_run(CLI::App& app, Action& action, const std::vector<std::string>& words) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App& run = add_command<RunOptions>(
      app, "run", "Run a command on phones and show their answers, grouped",
      "drover run --all -- getprop ro.build.version.release\n"
      "  drover run --instances p1,p2 --run-timeout 5m -- 'cd /sdcard && ls | wc -l'\n\n"
      "The words after -- are joined by spaces and given to the phone's shell, as adb does: what\n"
      "that shell shall see quoted needs quotes of its own within yours.\n"
      "Exit code: 0 all succeeded, 1 not all, 2 wrong usage or no server, 130 left with Ctrl-C.",
      options, run_command, action);
  run.add_flag("--all", options->all, "On every instance of the project");
  const auto add_ids = [options](const std::string& text) {
    for (std::string& id : split(text, ',')) options->instances.push_back(std::move(id));
  };
  run.add_option_function<std::string>("--instances", add_ids, "On these, separated by commas")
      ->type_name("IDS");
  add_duration(run, "--run-timeout", options->run_timeout, "How long it may run on a phone");
  add_duration(run, "--start-deadline", options->start_deadline, "How long a phone may take until it begins");
  run.add_flag("--detach", options->detach, "Print the task's id and do not wait");
  run.add_flag("--full", options->full, "Show whole outputs and all groups");
  options->words = words;
  run.add_option("command", options->words, "The command, after --")->type_name("");
  add_client_options(run, options->client);
}

void add_tasks(CLI::App& app, Action& action) {
  CLI::App& tasks = add_group(app, "tasks", "Look at tasks, wait for them, cancel them", "drover tasks list");
  const auto options = std::make_shared<TaskOptions>();
  const auto add = [&](const char* name, const char* help, const char* example,
                       int (*run)(const TaskOptions&)) -> CLI::App& {
    CLI::App& command = add_command<TaskOptions>(tasks, name, help, example, options, run, action);
    add_client_options(command, options->client);
    return command;
  };
  CLI::App& list = add("list", "The latest tasks, newest first", "drover tasks list --limit 50", list_tasks);
  list.add_option("--limit", options->limit, "How many; default: 20")->type_name("N");
  list.add_option("--before", options->before, "Only those older than this task")->type_name("ID");

  CLI::App& show = add("show", "What a task's phones answered, grouped",
                       "drover tasks show 0192f3a1b2c3d4e5f60718293a4b0000", show_task);
  CLI::App& wait = add("wait", "Wait until a task has ended, then show it; exits like run",
                       "drover tasks wait 0192f3a1b2c3d4e5f60718293a4b0000", wait_for_task);
  CLI::App& cancel = add("cancel", "Stop a task: what has not begun will not, what runs is killed",
                         "drover tasks cancel 0192f3a1b2c3d4e5f60718293a4b0000", cancel_task);
  for (CLI::App* command : {&show, &wait, &cancel}) {
    command->add_option("id", options->id, "The task")->required()->type_name("");
  }
  for (CLI::App* command : {&show, &wait}) {
    command->add_flag("--full", options->full, "Show whole outputs and all groups");
  }
}

void add_instances(CLI::App& app, Action& action) {
  CLI::App& instances = add_group(app, "instances", "The phones that Drover keeps links to",
                                  "drover instances add phone1 adb://192.0.2.7:5555");
  const auto options = std::make_shared<InstanceOptions>();
  const auto add = [&](const char* name, const char* help, const char* example,
                       int (*run)(const InstanceOptions&)) -> CLI::App& {
    CLI::App& command = add_command<InstanceOptions>(instances, name, help, example, options, run, action);
    add_client_options(command, options->client);
    return command;
  };
  CLI::App& list = add("list", "All instances and how their links are",
                       "drover instances list --state offline", list_instances);
  list.add_option("--state", options->state, "Only those: connecting, online, offline, booting, unauthorized")
      ->type_name("STATE");

  CLI::App& one = add("add", "Add an instance, or give it a new address",
                      "drover instances add phone1 adb://192.0.2.7:5555", add_instance);
  one.add_option("name", options->name, "1 to 32 of A-Z a-z 0-9 _ -")->required()->type_name("");
  one.add_option("address", options->address, "adb://HOST:PORT")->required()->type_name("");

  CLI::App& import = add("import", "Add all instances of a file, CSV or JSON",
                         "drover instances import phones.csv    # instance_id,address a line\n"
                         "  drover instances import - < phones.json",
                         import_instances);
  import.add_option("file", options->file, "The file; - is standard input")->required()->type_name("");

  CLI::App& remove = add("remove", "Remove instances; their history stays",
                         "drover instances remove phone1 phone2", remove_instances);
  remove.add_option("names", options->names, "The instances")->required()->type_name("");
}

void add_projects(CLI::App& app, Action& action) {
  CLI::App& projects = add_group(app, "projects", "Tenants: each has instances, tasks and tokens of its own",
                                 "drover projects create shop");
  const auto options = std::make_shared<ProjectOptions>();
  CLI::App& list = add_command<ProjectOptions>(projects, "list", "All projects", "drover projects list",
                                               options, list_projects, action);
  CLI::App& create = add_command<ProjectOptions>(
      projects, "create", "Make a project", "drover projects create shop", options, create_project, action);
  create.add_option("name", options->name, "1 to 64 of A-Z a-z 0-9 _ -")->required()->type_name("");
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
  create.add_option("--role", options->role, "admin, or readonly (the default)")
      ->type_name("ROLE")
      ->check(CLI::IsMember({"admin", "readonly"}));
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

}  // namespace drover::cli
