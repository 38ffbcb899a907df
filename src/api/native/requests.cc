#include "api/native/requests.h"

#include <optional>
#include <utility>

#include "api/json_reader.h"
#include "api/rules.h"

namespace drover::api::native {
namespace {

constexpr std::int64_t kDefaultTokenLifetime = 86'400;  // seconds

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
      instances.push_back({std::move(*list.values[i]), {}});
    } else {
      instances.back().address = std::move(*list.values[i]);
    }
  }
  return instances;
}

Checked<ProjectRequest> parse_project_request(std::string_view body) {
  std::optional<std::string> name;
  std::optional<bool> koophone_commands_only;
  const Member members[] = {{"name", &name}, {"koophone_commands_only", &koophone_commands_only}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  if (!name) return missing("name", "a string");
  return ProjectRequest{std::move(*name), koophone_commands_only.value_or(false)};
}

Checked<TokenRequest> parse_token_request(std::string_view body) {
  std::optional<std::string> project;
  std::optional<std::string> role;
  std::optional<std::int64_t> expires;
  const Member members[] = {{"project", &project}, {"role", &role}, {"expires_s", &expires}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  if (!project) return missing("project", "a string");
  if (!role) return missing("role", "admin or readonly");
  if (*role != "admin" && *role != "readonly") return bad_parameter("role must be admin or readonly");
  return TokenRequest{std::move(*project), *role == "admin" ? store::Role::kAdmin : store::Role::kReadOnly,
                      expires.value_or(kDefaultTokenLifetime)};
}

std::string_view role_name(store::Role role) { return role == store::Role::kAdmin ? "admin" : "readonly"; }

}  // namespace drover::api::native
