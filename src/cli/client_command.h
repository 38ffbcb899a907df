// What the arguments of all commands that talk to a server have in common. Included by the few files that
// know CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"

namespace drover::cli {

// Whether --project says in which project a command over the socket works.
enum class Project { kOption, kNone };

// --json, --server, --token and where the server of this machine is.
void add_client_options(CLI::App& app, ClientOptions& options, Project project = Project::kOption);

// An option that takes a span of time.
void add_duration(CLI::App& app, const std::string& name, Seconds& target, const std::string& help);

// A command that has subcommands only.
CLI::App& add_group(CLI::App& app, const std::string& name, const std::string& help,
                    const std::string& example);

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

}  // namespace drover::cli
