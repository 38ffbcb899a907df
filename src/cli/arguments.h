// How each command's arguments are written; the functions in commands.h do the work. Included by the few
// files that know CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace drover::cli {

// What is to be done once all arguments have been read.
using Action = std::function<int()>;

// `words`: what stood after "--".
void add_run(CLI::App& app, Action& action, const std::vector<std::string>& words);
void add_tasks(CLI::App& app, Action& action);
void add_instances(CLI::App& app, Action& action);
void add_projects(CLI::App& app, Action& action);
void add_tokens(CLI::App& app, Action& action);
void add_users(CLI::App& app, Action& action);
void add_keys(CLI::App& app, Action& action);
void add_policies(CLI::App& app, Action& action);
void add_audit(CLI::App& app, Action& action);
void add_login(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_backup(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_sim(CLI::App& app, Action& action);

}  // namespace drover::cli
