#include <boost/json.hpp>
#include <cstdio>

#include "cli/access_commands.h"
#include "cli/client.h"
#include "cli/errc.h"
#include "cli/missing.h"
#include "cli/output.h"
#include "cli/passwords.h"
#include "cli/terminal.h"

namespace drover::cli {

namespace json = boost::json;

int list_keys(const KeyOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  std::string target = "/api/v1/keys";
  if (!options.user.empty()) target += "?user=" + percent_encoded(options.user);
  const Result<json::value> answer = client->get(target);
  if (!answer) return show_error(explain(*client, answer.error(), {.user = options.user}));
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  Table table({"ACCESS KEY", "USER", "CREATED"});
  for (const json::value& key : array_of(*answer, "keys")) {
    table.add({text_of(key, "access_key"), text_of(key, "user"), text_of(key, "created_at")});
  }
  table.print();
  return kExitOk;
}

int create_key(const KeyOptions& options) {
  const bool given = !options.access_key.empty();
  if (given == options.secret_file.empty()) {
    return show_error(
        {Errc::kUsage, "a key that is there already needs both --access-key and --secret-file"});
  }
  json::object request{{"user", options.user}};
  if (given) {
    const Result<std::string> secret = read_secret_file(options.secret_file);
    if (!secret) return show_error(secret.error());
    request["access_key"] = options.access_key;
    request["secret_key"] = *secret;
  }
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->post("/api/v1/keys", request);
  if (!answer) return show_error(explain(*client, answer.error(), {.user = options.user}));
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  // The access key and the secret on a line each, so that { read -r ak; read -r sk; } takes them.
  std::printf("%s\n", printable(text_of(*answer, "access_key")).c_str());
  if (!given) std::printf("%s\n", printable(text_of(*answer, "secret_key")).c_str());
  std::fprintf(stderr, "a key of user %s%s\n", printable(options.user).c_str(),
               given ? "" : ": access key and secret key; the secret is not shown again");
  return kExitOk;
}

int remove_key(const KeyOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->remove("/api/v1/keys/" + percent_encoded(options.access_key));
  if (!answer) return show_error(answer.error());
  if (options.client.json) print_json(*answer);
  if (!options.client.json) std::printf("removed\n");
  return kExitOk;
}

}  // namespace drover::cli
