#include "cli/client_command.h"

#include "cli/duration.h"

namespace drover::cli {

void add_client_options(CLI::App& app, ClientOptions& options, Project project) {
  app.add_flag("--json", options.json, "Print JSON, for programs");
  app.add_option("--server", options.server,
                 "Server to ask, https://HOST:PORT; default: the one on this machine, "
                 "through the socket in its data folder (DROVER_SERVER)")
      ->type_name("URL")
      ->group("Server");
  app.add_option("--token", options.token, "Token, needed with --server; better given as DROVER_TOKEN")
      ->type_name("SECRET")
      ->group("Server");
  app.add_option("--ca", options.ca,
                 "PEM file of certificates to trust with https://; default: this system's (DROVER_CA)")
      ->type_name("FILE")
      ->group("Server");
  app.add_option("--client-certificate", options.client_certificate,
                 "PEM file, for a server that asks for one (DROVER_CLIENT_CERTIFICATE)")
      ->type_name("FILE")
      ->group("Server");
  app.add_option("--client-key", options.client_key,
                 "PEM file of that certificate's private key (DROVER_CLIENT_KEY)")
      ->type_name("FILE")
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

void add_duration(CLI::App& app, const std::string& name, Seconds& target, const std::string& help) {
  const auto take = [&target, name](const std::string& text) {
    const Result<Seconds> span = parse_duration(text);
    if (!span) throw CLI::ValidationError(name, span.error().message);
    target = *span;
  };
  app.add_option_function<std::string>(name, take, help + "; default: " + format_duration(target))
      ->type_name("TIME");
}

CLI::App& add_group(CLI::App& app, const std::string& name, const std::string& help,
                    const std::string& example) {
  CLI::App* const group = app.add_subcommand(name, help);
  group->require_subcommand(1);
  group->footer("Example:\n  " + example);
  return *group;
}

}  // namespace drover::cli
