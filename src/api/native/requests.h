// The bodies of requests to Drover's own API. What they refuse is 400 and names the field and the rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer.h"
#include "store/types.h"

namespace drover::api::native {

inline constexpr std::size_t kMostInstances = 100'000;  // in one request
inline constexpr std::size_t kMaxBody = 16u << 20;      // bytes, where so many are named

struct TaskRequest {
  std::string command;
  bool all = false;                       // every instance of the project; else
  std::vector<std::string> instance_ids;  // 1 to 100,000
  std::uint32_t start_deadline_s = 0;
  std::uint32_t run_timeout_s = 0;
};
Checked<TaskRequest> parse_task_request(std::string_view body, bool koophone_characters_only);

// Ids and addresses are as they were sent: the fleet checks them.
struct InstanceRequest {
  std::string id;
  std::string address;
  std::optional<store::Labels> labels;  // nothing: a known instance keeps its own
};
Checked<std::vector<InstanceRequest>> parse_instances_request(std::string_view body);

}  // namespace drover::api::native
