#include <cstdlib>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/errc.h"
#include "cli/local_config.h"

namespace drover::cli {
namespace {

std::string first_set(const std::string& flag, const char* variable) {
  if (!flag.empty()) return flag;
  const char* const value = std::getenv(variable);
  return value != nullptr ? value : "";
}

// The socket of the server that the same settings would start.
Result<Endpoint> local_endpoint(const ClientOptions& options) {
  const Result<LoadedConfig> loaded = load_local_config(options.config, options.data_dir);
  if (!loaded) return Failure(loaded.error());
  Endpoint endpoint;
  endpoint.socket = loaded->config.socket();
  return endpoint;
}

}  // namespace

Result<Client> make_client(const ClientOptions& options) {
  const std::string server = first_set(options.server, "DROVER_SERVER");
  // A data folder given here and now means the server of that folder, whatever the environment says.
  const bool local = server.empty() || (options.server.empty() && !options.data_dir.empty());
  Result<Endpoint> endpoint = local ? local_endpoint(options) : parse_server_url(server);
  if (!endpoint) return Failure(endpoint.error());
  if (local) {
    const std::string project = first_set(options.project, "DROVER_PROJECT");
    endpoint->project = project.empty() ? "default" : project;
  } else {
    if (!options.project.empty()) {
      return fail(Errc::kUsage,
                  "--project goes with the server's own socket only: with --server the token decides");
    }
    endpoint->token = first_set(options.token, "DROVER_TOKEN");
  }
  return Client(*std::move(endpoint));
}

}  // namespace drover::cli
