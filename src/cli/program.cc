#include "cli/program.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "cli/arguments.h"
#include "cli/errc.h"
#include "cli/terminal.h"

namespace drover::cli {
namespace {

constexpr const char* kExample =
    "Example:\n"
    "  drover serve                                  # in one terminal\n"
    "  drover instances add phone1 adb://192.0.2.7:5555\n"
    "  drover run --all -- getprop ro.build.version.release";

int refuse(const CLI::App& app, const CLI::ParseError& error) {
  // The parser says only that a command is missing, also of one that is misspelt.
  const std::vector<std::string> unknown = app.remaining(true);
  const bool missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  if (missing && !unknown.empty() && !unknown.front().starts_with('-')) {
    std::fprintf(stderr, "There is no command \"%s\" here.\nRun with --help for more information.\n",
                 printable(unknown.front()).c_str());
    return kExitUsage;
  }
  const int code = app.exit(error);  // prints help, version or what is wrong
  return code == 0 ? kExitOk : kExitUsage;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  // A phone's command is not ours to interpret: what follows "--" never reaches the parser.
  const char* const* const end = argv + argc;
  const bool is_run = argc > 1 && std::string_view(argv[1]) == "run";
  const char* const* const dashes =
      is_run ? std::find_if(argv, end, [](const char* word) { return std::string_view(word) == "--"; }) : end;
  const std::vector<std::string> words(dashes == end ? end : dashes + 1, end);

  CLI::App app("Drover runs commands on many Android phones over ADB and keeps their answers.", "drover");
  app.set_version_flag("--version", DROVER_VERSION);
  app.require_subcommand(1);
  app.footer(kExample);
  Action action;
  add_serve(app, action);
  add_run(app, action, words);
  add_tasks(app, action);
  add_instances(app, action);
  add_projects(app, action);
  add_users(app, action);
  add_policies(app, action);
  add_keys(app, action);
  add_tokens(app, action);
  add_login(app, action);
  add_audit(app, action);
  add_backup(app, action);
  add_doctor(app, action);
  add_sim(app, action);

  if (argc == 1) {
    std::fputs(app.help().c_str(), stderr);
    return kExitUsage;
  }
  try {
    app.parse(static_cast<int>(dashes - argv), argv);
  } catch (const CLI::ParseError& error) {
    return refuse(app, error);
  }
  return action();
}

}  // namespace drover::cli
