#include "cli/access_commands.h"
#include "cli/client_command.h"

namespace drover::cli {
namespace {

void add_test(CLI::App& policy, Action& action) {
  const auto options = std::make_shared<PolicyTestOptions>();
  CLI::App& test = add_command<PolicyTestOptions>(
      policy, "test", "Try what a user or a policy may do, and which statement decides",
      "drover policy test --user alice --project shop --instance phone1 \\\n"
      "    --action koophone:cloudphoneResource:asyncInvokeInstance\n"
      "  drover policy test --file new.json --action drover:instance:put --label team=blue\n\n"
      "Exit code: 0 allowed, 1 denied, 2 that could not be found out.",
      options, test_policy, action);
  test.add_option("--user", options->user, "What this user may do")->type_name("NAME");
  test.add_option("--project", options->project, "In this project")->type_name("NAME");
  test.add_option("--policy", options->policy, "What this policy allows")->type_name("NAME");
  test.add_option("--file", options->file, "What the policy in this file would allow; - is standard input")
      ->type_name("FILE");
  test.add_option("--action", options->action, "The action")->required()->type_name("ACTION");
  test.add_option("--instance", options->instance, "On this instance")->type_name("ID");
  test.add_option("--label", options->labels,
                  "If it had this label; repeatable; default: the labels that it has")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  add_client_options(test, options->client, Project::kNone);
}

}  // namespace

void add_policies(CLI::App& app, Action& action) {
  CLI::App& policy = add_group(app, "policy", "Roles made of statements: what may be done on which instances",
                               "drover policy put blue blue.json");
  const auto options = std::make_shared<PolicyOptions>();
  const auto add = [&](const char* name, const char* help, const char* example,
                       int (*run)(const PolicyOptions&)) -> CLI::App& {
    CLI::App& command = add_command<PolicyOptions>(policy, name, help, example, options, run, action);
    add_client_options(command, options->client, Project::kNone);
    return command;
  };
  add("list", "All policies, with the two roles that are always there", "drover policy list", list_policies);
  CLI::App& show =
      add("show", "One policy, as `put` takes it", "drover policy show blue > blue.json", show_policy);
  CLI::App& put =
      add("put", "Store a policy; one of that name is replaced and counts with the next request",
          "drover policy put blue blue.json\n"
          "  # blue.json: {\"Version\": \"1.1\", \"Statement\": [{\"Effect\": \"Allow\",\n"
          "  #   \"Action\": [\"koophone:cloudphoneResource:*\"], \"Resource\": [\"label:team=blue\"]}]}",
          put_policy);
  CLI::App& remove =
      add("remove", "Remove a policy that nobody holds", "drover policy remove blue", remove_policy);
  for (CLI::App* command : {&show, &put, &remove}) {
    command->add_option("name", options->name, "The policy: 1 to 64 of A-Z a-z 0-9 _ -")
        ->required()
        ->type_name("");
  }
  put.add_option("file", options->file, "The file, JSON; - is standard input")->required()->type_name("");
  add_test(policy, action);
}

}  // namespace drover::cli
