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

Result<> add_trust(Endpoint& endpoint, const ClientOptions& options) {
  if (!endpoint.tls) {
    const bool meant =
        !options.ca.empty() || !options.client_certificate.empty() || !options.client_key.empty();
    if (!meant) return {};
    return fail(Errc::kUsage, "--ca, --client-certificate and --client-key go with --server https:// only");
  }
  endpoint.ca = first_set(options.ca, "DROVER_CA");
  endpoint.client_certificate = first_set(options.client_certificate, "DROVER_CLIENT_CERTIFICATE");
  endpoint.client_key = first_set(options.client_key, "DROVER_CLIENT_KEY");
  if (endpoint.client_certificate.empty() == endpoint.client_key.empty()) return {};
  return fail(Errc::kUsage, "--client-certificate and --client-key go together");
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
    if (auto good = add_trust(*endpoint, options); !good) return Failure(good.error());
  }
  return Client(*std::move(endpoint));
}

}  // namespace drover::cli
