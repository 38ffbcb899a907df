#include <algorithm>
#include <memory>

#include "cli/client_command.h"

namespace drover::cli {
namespace {

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

  CLI::App& one = add("add", "Add an instance, or give it a new address or labels",
                      "drover instances add phone1 adb://192.0.2.7:5555 --label team=blue", add_instance);
  one.add_option("name", options->name, "1 to 32 of A-Z a-z 0-9 _ -")->required()->type_name("");
  one.add_option("address", options->address, "adb://HOST:PORT")->required()->type_name("");
  one.add_option("--label", options->labels,
                 "A label, by which policies select instances; repeatable; those given replace all it has")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);

  CLI::App& import =
      add("import", "Add all instances of a file, CSV or JSON",
          "drover instances import phones.csv    # instance_id,address,labels a line\n"
          "  drover instances import - < phones.json\n\n"
          "Labels are KEY=VALUE;KEY=VALUE in CSV and an object in JSON. An instance for which the\n"
          "file says nothing of labels keeps those it has.",
          import_instances);
  import.add_option("file", options->file, "The file; - is standard input")->required()->type_name("");

  CLI::App& remove = add("remove", "Remove instances; their history stays",
                         "drover instances remove phone1 phone2", remove_instances);
  remove.add_option("names", options->names, "The instances")->required()->type_name("");
}

}  // namespace drover::cli
