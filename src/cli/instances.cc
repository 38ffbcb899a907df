#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <map>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/errc.h"
#include "cli/import.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/terminal.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kBatch = 10'000;
constexpr std::size_t kMaxImport = std::size_t{256} << 20;
constexpr const char* kPath = "/api/v1/instances";

Result<std::uint64_t> store_batch(const Client& client, const std::vector<NewInstance>& instances,
                                  std::size_t from) {
  const std::size_t to = std::min(from + kBatch, instances.size());
  json::array array;
  array.reserve(to - from);
  for (std::size_t i = from; i < to; ++i) {
    json::object instance{{"instance_id", instances[i].instance_id}, {"address", instances[i].address}};
    if (instances[i].labels) instance["labels"] = json::value_from(*instances[i].labels);
    array.push_back(std::move(instance));
  }
  const Result<json::value> answer = client.post(kPath, json::object{{"instances", std::move(array)}});
  if (!answer) return Failure(answer.error());
  return number_of(*answer, "stored");
}

Result<std::uint64_t> store_all(const Client& client, const std::vector<NewInstance>& instances) {
  Progress progress;
  std::uint64_t stored = 0;
  for (std::size_t from = 0; from < instances.size(); from += kBatch) {
    const Result<std::uint64_t> batch = store_batch(client, instances, from);
    if (!batch) {
      progress.clear();
      const std::string before = std::to_string(stored) + " instances were stored, then: ";
      return Failure(Error{batch.error().code, before + batch.error().message});
    }
    stored += *batch;
    if (instances.size() > kBatch) progress.show(stored, instances.size(), "stored");
  }
  progress.clear();
  return stored;
}

int tell_stored(const ClientOptions& options, std::uint64_t stored) {
  if (options.json) {
    print_json(json::object{{"stored", stored}});
  } else {
    std::printf("%llu %s stored; `drover instances list` shows the links\n",
                static_cast<unsigned long long>(stored), stored == 1 ? "instance" : "instances");
  }
  return kExitOk;
}

// "team=blue rack=7"
std::string labels_text(const json::value& instance) {
  const json::object* const object = instance.if_object();
  const json::value* const labels = object == nullptr ? nullptr : object->if_contains("labels");
  if (labels == nullptr || !labels->is_object()) return {};
  std::string text;
  for (const auto& [key, value] : labels->get_object()) {
    if (!text.empty()) text += ' ';
    text.append(key).append("=").append(text_of(*labels, key));
  }
  return text;
}

// "1000 instances: 998 online, 2 offline"
void print_summary(const json::array& instances) {
  std::map<std::string, std::size_t> states;
  for (const json::value& instance : instances) ++states[text_of(instance, "state")];
  std::string line = std::to_string(instances.size()) + (instances.size() == 1 ? " instance" : " instances");
  const char* separator = ": ";
  for (const auto& [state, count] : states) {
    line += separator + std::to_string(count) + " " + state;
    separator = ", ";
  }
  std::printf("%s\n", printable(line).c_str());
}

}  // namespace

int list_instances(const InstanceOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  std::string target = kPath;
  if (!options.state.empty()) target += "?state=" + percent_encoded(options.state);
  const Result<json::value> answer = client->get(target);
  if (!answer) return show_error(answer.error());
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  const json::array& instances = array_of(*answer, "instances");
  if (!instances.empty()) {
    Table table({"INSTANCE", "ADDRESS", "STATE", "SINCE", "MODEL", "LABELS", "WHY"});
    for (const json::value& instance : instances) {
      table.add({text_of(instance, "instance_id"), text_of(instance, "address"), text_of(instance, "state"),
                 text_of(instance, "since"), text_of(instance, "model"), labels_text(instance),
                 text_of(instance, "why")});
    }
    table.print();
  }
  print_summary(instances);
  return kExitOk;
}

int add_instance(const InstanceOptions& options) {
  if (const Result<> good = check_instance(options.name, options.address); !good)
    return show_error(good.error());
  NewInstance instance{options.name, options.address};
  if (!options.labels.empty()) {
    const Result<Labels> labels = parse_labels(options.labels);
    if (!labels) return show_error(labels.error());
    instance.labels = *labels;
  }
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<std::uint64_t> stored = store_all(*client, {instance});
  return stored ? tell_stored(options.client, *stored) : show_error(stored.error());
}

int import_instances(const InstanceOptions& options) {
  const Result<std::string> text = read_whole_file(options.file, kMaxImport);
  if (!text) return show_error(text.error());
  const std::string name = options.file == "-" ? "standard input" : options.file;
  const Result<std::vector<NewInstance>> instances = parse_instances(*text, name);
  if (!instances) return show_error(instances.error());
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<std::uint64_t> stored = store_all(*client, *instances);
  return stored ? tell_stored(options.client, *stored) : show_error(stored.error());
}

int remove_instances(const InstanceOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  int code = kExitOk;
  json::array removed;
  for (const std::string& name : options.names) {
    const Result<json::value> answer = client->remove(std::string(kPath) + "/" + percent_encoded(name));
    if (answer) {
      removed.push_back(json::value(name));
      continue;
    }
    code = std::max(code, show_error(answer.error()));
    if (answer.error().code == Errc::kUnreachable) break;
  }
  if (options.client.json) {
    print_json(json::object{{"removed", std::move(removed)}});
  } else if (!removed.empty()) {
    std::printf("%zu removed\n", removed.size());
  }
  return code;
}

}  // namespace drover::cli
