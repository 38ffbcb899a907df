#include "api/native/requests.h"

#include <optional>
#include <utility>

#include "api/json_reader.h"
#include "api/rules.h"

namespace drover::api::native {
namespace {

tl::unexpected<Refusal> missing(std::string_view name, std::string_view type) {
  return bad_parameter(std::string(name) + " is missing; it must be " + std::string(type));
}

}  // namespace

Checked<TaskRequest> parse_task_request(std::string_view body, bool koophone_characters_only) {
  std::optional<std::string> command;
  std::optional<bool> all;
  StringList ids(kMostInstances);
  std::optional<std::int64_t> start_deadline;
  std::optional<std::int64_t> run_timeout;
  const Member members[] = {{"command", &command},
                            {"all", &all},
                            {"instance_ids", &ids},
                            {"start_deadline_s", &start_deadline},
                            {"run_timeout_s", &run_timeout}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  TaskRequest request;
  auto checked_command = check_command(std::move(command), koophone_characters_only);
  if (!checked_command) return tl::unexpected(std::move(checked_command.error()));
  request.command = std::move(*checked_command);
  request.all = all.value_or(false);
  if (request.all == ids.present) return bad_parameter("either instance_ids or all must be given");
  if (!request.all) {
    auto checked_ids = check_instance_ids(std::move(ids));
    if (!checked_ids) return tl::unexpected(std::move(checked_ids.error()));
    request.instance_ids = std::move(*checked_ids);
  }
  const auto start = check_seconds("start_deadline_s", start_deadline, kDefaultStartDeadline);
  if (!start) return tl::unexpected(start.error());
  request.start_deadline_s = *start;
  const auto run = check_seconds("run_timeout_s", run_timeout, kDefaultRunTimeout);
  if (!run) return tl::unexpected(run.error());
  request.run_timeout_s = *run;
  return request;
}

Checked<std::vector<InstanceRequest>> parse_instances_request(std::string_view body) {
  RecordList list(kMostInstances, {"instance_id", "address"});
  list.map = "labels";
  const Member members[] = {{"instances", &list}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  if (!list.present) return missing("instances", "an array of objects");
  if (list.count == 0 || list.count > list.max) {
    return bad_parameter("instances must hold 1 to " + grouped(kMostInstances) + " instances, got " +
                         grouped(static_cast<std::int64_t>(list.count)));
  }
  std::vector<InstanceRequest> instances;
  instances.reserve(list.count);
  for (std::size_t i = 0; i < list.values.size(); ++i) {
    if (!list.values[i]) {
      return missing("instances[" + std::to_string(i / 2) + "]." + std::string(list.names[i % 2]),
                     "a string");
    }
    if (i % 2 == 0) {
      instances.push_back({std::move(*list.values[i]), {}, std::nullopt});
    } else {
      instances.back().address = std::move(*list.values[i]);
    }
  }
  for (std::size_t i = 0; i < list.maps.size(); ++i) {
    TextMap& labels = list.maps[i];
    if (labels.count > labels.max) {
      return bad_parameter("instances[" + std::to_string(i) + "].labels must hold at most " +
                           std::to_string(labels.max) + " labels, got " +
                           grouped(static_cast<std::int64_t>(labels.count)));
    }
    if (labels.present) instances[i].labels = std::move(labels.items);
  }
  return instances;
}

}  // namespace drover::api::native
