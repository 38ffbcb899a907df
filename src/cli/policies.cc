#include <boost/json.hpp>
#include <cstdio>

#include "cli/access_commands.h"
#include "cli/client.h"
#include "cli/errc.h"
#include "cli/labels.h"
#include "cli/missing.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/terminal.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kLargestFile = std::size_t{1} << 20;

std::string path_of(const std::string& policy) { return "/api/v1/policies/" + percent_encoded(policy); }

Result<json::value> read_policy(const std::string& file) {
  const Result<std::string> text = read_whole_file(file, kLargestFile);
  if (!text) return Failure(text.error());
  boost::system::error_code error;
  json::value policy = json::parse(*text, error);
  const std::string name = file == "-" ? "standard input" : file;
  if (error) return fail(Errc::kUsage, name + ": is not JSON: " + error.message());
  return policy;
}

// How many, for a table.
std::string statements_of(const json::value& policy) {
  const json::object* const object = policy.if_object();
  const json::value* const document = object == nullptr ? nullptr : object->if_contains("policy");
  return document == nullptr ? "" : std::to_string(array_of(*document, "Statement").size());
}

// Who or what is to be tried: a user in a project, a policy by its name, or the one in a file.
Result<json::object> test_request(const PolicyTestOptions& options) {
  const int ways = !options.user.empty() + !options.policy.empty() + !options.file.empty();
  if (ways != 1 || options.user.empty() != options.project.empty()) {
    return fail(Errc::kUsage, "say what to test: --user NAME --project NAME, --policy NAME or --file FILE");
  }
  json::object request{{"action", options.action}};
  if (!options.user.empty()) {
    request["user"] = options.user;
    request["project"] = options.project;
  } else if (!options.policy.empty()) {
    request["policy"] = full_role(options.policy);
  } else {
    Result<json::value> document = read_policy(options.file);
    if (!document) return Failure(document.error());
    request["document"] = *std::move(document);
  }
  if (!options.instance.empty()) request["instance_id"] = options.instance;
  if (options.labels.empty()) return request;
  const Result<Labels> labels = parse_labels(options.labels);
  if (!labels) return Failure(labels.error());
  request["labels"] = json::value_from(*labels);
  return request;
}

// That something went wrong must not look like a denial, which is exit code 1.
int test_failed(const Error& error) {
  show_error(error);
  return kExitUsage;
}

}  // namespace

int list_policies(const PolicyOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->get("/api/v1/policies");
  if (!answer) return show_error(answer.error());
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  Table table({"POLICY", "STATEMENTS", "CREATED"});
  for (const json::value& policy : array_of(*answer, "policies")) {
    const bool system = text_of(policy, "system") == "true";
    table.add({text_of(policy, "name"), statements_of(policy),
               system ? "always there" : text_of(policy, "created_at")});
  }
  table.print();
  return kExitOk;
}

int show_policy(const PolicyOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->get(path_of(full_role(options.name)));
  if (!answer) return show_error(explain(*client, answer.error(), {.role = options.name}));
  const json::object* const object = answer->if_object();
  const json::value* const document = object == nullptr ? nullptr : object->if_contains("policy");
  if (options.client.json || document == nullptr) {
    print_json(*answer);
  } else {
    std::printf("%s\n", printable(indented_json(*document)).c_str());
  }
  return kExitOk;
}

int put_policy(const PolicyOptions& options) {
  const Result<json::value> policy = read_policy(options.file);
  if (!policy) return show_error(policy.error());
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->put(path_of(options.name), *policy);
  if (!answer) return show_error(answer.error());
  if (options.client.json) {
    print_json(*answer);
  } else {
    const std::string name = printable(options.name);
    std::printf(
        "policy %s stored; a user gets it with `drover users grant NAME --role %s --project PROJECT`\n",
        name.c_str(), name.c_str());
  }
  return kExitOk;
}

int remove_policy(const PolicyOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->remove(path_of(options.name));
  if (!answer) return show_error(answer.error());
  if (options.client.json) print_json(*answer);
  if (!options.client.json) std::printf("removed\n");
  return kExitOk;
}

int test_policy(const PolicyTestOptions& options) {
  const Result<json::object> request = test_request(options);
  if (!request) return test_failed(request.error());
  const Result<Client> client = make_client(options.client);
  if (!client) return test_failed(client.error());
  const Result<json::value> answer = client->post("/api/v1/policy-test", *request);
  if (!answer) {
    const Named named{.user = options.user, .project = options.project, .role = options.policy};
    return test_failed(explain(*client, answer.error(), named));
  }
  const std::string allowed = text_of(*answer, "allowed");
  const bool known = allowed == "true" || allowed == "false";
  if (options.client.json) {
    print_json(*answer);
  } else if (!known) {
    return test_failed({Errc::kUsage, text_of(*answer, "why") + " (--instance, --label)"});
  } else {
    const std::string why = printable(text_of(*answer, "why"));
    std::printf("%s: %s\n", allowed == "true" ? "allowed" : "denied", why.c_str());
  }
  if (!known) return kExitUsage;
  return allowed == "true" ? kExitOk : kExitNotAll;
}

}  // namespace drover::cli
