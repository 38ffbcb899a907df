#include "api/koophone/command_request.h"

#include <utility>

#include "api/json_reader.h"
#include "api/rules.h"

namespace drover::api::koophone {

Checked<CommandRequest> parse_command_request(std::string_view body, bool koophone_characters_only) {
  std::optional<std::string> command;
  StringList instance_ids(kMostInstances);
  std::optional<std::int64_t> start_deadline;
  std::optional<std::int64_t> run_timeout;
  const Member members[] = {{"command", &command},
                            {"instance_ids", &instance_ids},
                            {"start_deadline_s", &start_deadline},
                            {"run_timeout_s", &run_timeout}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));

  auto checked_command = check_command(std::move(command), koophone_characters_only);
  if (!checked_command) return tl::unexpected(std::move(checked_command.error()));
  auto ids = check_instance_ids(std::move(instance_ids));
  if (!ids) return tl::unexpected(std::move(ids.error()));
  auto start = check_seconds("start_deadline_s", start_deadline, kDefaultStartDeadline);
  if (!start) return tl::unexpected(std::move(start.error()));
  auto run = check_seconds("run_timeout_s", run_timeout, kDefaultRunTimeout);
  if (!run) return tl::unexpected(std::move(run.error()));
  return CommandRequest{std::move(*checked_command), std::move(*ids), *start, *run};
}

Checked<std::vector<std::string>> parse_status_request(std::string_view body) {
  StringList instance_ids(kMostInstances);
  const Member members[] = {{"instance_ids", &instance_ids}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));
  return check_instance_ids(std::move(instance_ids));
}

}  // namespace drover::api::koophone
