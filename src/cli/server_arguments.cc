#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/config.h"

namespace drover::cli {

void add_serve(CLI::App& app, Action& action) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* const serve_app = app.add_subcommand("serve", "Run the server");
  serve_app->footer(
      "Example:\n"
      "  drover serve --http-port 8580 --data-dir /srv/drover\n"
      "  drover serve --print-config\n\n"
      "Settings come from drover.toml, then from the environment (DROVER_HTTP_PORT for http.port),\n"
      "then from these flags; what comes later wins. SIGTERM and Ctrl-C stop it when the running\n"
      "jobs have ended; a second one stops it at once.");
  serve_app
      ->add_option(
          "--config", options->config,
          "Settings; default: /etc/drover/drover.toml for root, ~/.config/drover/drover.toml for others")
      ->type_name("FILE");
  serve_app->add_flag("--print-config", options->print_config, "Print the settings in force and end");
  serve_app->add_flag("--json", options->json, "Print JSON, for programs");
  serve_app
      ->add_option("--ready-fd", options->ready_fd, "Write a line of JSON to this descriptor when it serves")
      ->type_name("N");
  for (const ConfigKey& key : config_keys()) {
    const auto take = [options, name = key.name](const std::string& value) {
      options->settings[name] = value;
    };
    serve_app->add_option_function<std::string>(key.flag, take, key.help)
        ->type_name("VALUE")
        ->group("Settings");
  }
  serve_app->callback([options, &action] { action = [options] { return serve(*options); }; });
}

namespace {

void add_sim_control(CLI::App& sim, const std::string& name, const std::string& help,
                     const std::string& example, const std::vector<std::string>& parts, Action& action) {
  struct Told {
    std::string control;
    std::vector<std::string> words;
  };
  const auto told = std::make_shared<Told>();
  told->words.resize(parts.size());
  CLI::App* const command = sim.add_subcommand(name, help);
  command->footer("Example:\n  " + example);
  command->add_option("--control", told->control, "The simulator's control socket")
      ->required()
      ->type_name("PATH");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    command->add_option(parts[i], told->words[i])->required(parts[i] != "kind")->type_name("");
  }
  command->callback([told, name, &action] {
    action = [told, name] {
      std::string line = name;
      for (const std::string& word : told->words) line += word.empty() ? "" : " " + word;
      return tell_simulator(told->control, line);
    };
  });
}

}  // namespace

void add_sim(CLI::App& app, Action& action) {
  const auto options = std::make_shared<SimCommandOptions>();
  CLI::App* const sim = app.add_subcommand("sim", "Simulate phones: adbd's side of ADB, with faults");
  sim->footer(
      "Example:\n"
      "  drover sim --phones 1000 --write-instances phones.csv --fault 5%=silent --control sim.sock\n"
      "  drover sim fault --control sim.sock 1-100 hang\n\n"
      "Phone N (from 0) is the instance sim-0000N, on 127.1.0.1 + N. docs/simulator.md describes the "
      "faults.");
  sim->add_option("--phones", options->phones, "How many; default: 100")->type_name("N");
  sim->add_option("--port", options->port, "TCP port of all of them; default, 0: any free one")
      ->type_name("N");
  sim->add_option("--shell", options->shell, "android: a small imitation; host: /bin/sh of this machine")
      ->type_name("KIND")
      ->check(CLI::IsMember({"android", "host"}));
  sim->add_option("--state-dir", options->state_dir, "Where the phones' folders are made (--shell host)")
      ->type_name("DIR");
  sim->add_option("--auth", options->auth, "Let in only the public keys of this file, as a phone's adb_keys")
      ->type_name("FILE");
  sim->add_option("--fault", options->faults,
                  "A fault from the start, for example 5%=silent or 0-9=slow:100; repeatable")
      ->type_name("RULE")
      ->allow_extra_args(false);
  sim->add_option("--journal", options->journal, "Write a line for each command that begins to this file")
      ->type_name("FILE");
  sim->add_option("--control", options->control,
                  "Make this Unix socket for `sim fault`, `sim clear`, `sim stats`")
      ->type_name("PATH");
  sim->add_option("--write-instances", options->write_instances,
                  "Write the list for `drover instances import`: JSON if its name ends in .json, else CSV")
      ->type_name("FILE");
  sim->add_option("--print-instances", options->print_instances,
                  "Print that list to standard output; the ready line then goes to standard error")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"csv", "json"}));
  sim->add_flag("--json", options->json, "Print the ready line as JSON, for programs");

  add_sim_control(*sim, "fault", "Give running simulated phones a fault",
                  "drover sim fault --control sim.sock 1-100 hang", {"phones", "fault"}, action);
  add_sim_control(*sim, "clear", "Take faults away again", "drover sim clear --control sim.sock all",
                  {"phones", "kind"}, action);
  add_sim_control(*sim, "stats", "What the simulator has seen", "drover sim stats --control sim.sock", {},
                  action);

  sim->callback([options, sim, &action] {
    if (sim->get_subcommands().empty()) action = [options] { return simulate(*options); };
  });
}

}  // namespace drover::cli
