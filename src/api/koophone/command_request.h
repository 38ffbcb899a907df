// The bodies of KooPhone's requests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer.h"

namespace drover::api::koophone {

inline constexpr std::size_t kMostInstances = 100;  // in one request

// async-command and sync-command.
struct CommandRequest {
  std::string command;
  std::vector<std::string> instance_ids;  // in the order given; the same one may be there again
  std::uint32_t start_deadline_s = 0;     // Drover's extra field, like the next
  std::uint32_t run_timeout_s = 0;
};

// `koophone_characters_only`: the project allows commands of the documented characters and space only.
Checked<CommandRequest> parse_command_request(std::string_view body, bool koophone_characters_only);

// batch-query-status: {"instance_ids": [...]}.
Checked<std::vector<std::string>> parse_status_request(std::string_view body);

}  // namespace drover::api::koophone
