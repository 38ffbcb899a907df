// The body of a request to try a policy.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/answer.h"
#include "identity/action.h"
#include "identity/policy.h"

namespace drover::api::native {

// Exactly one of `user`, `policy` and `document` is there.
struct TrialRequest {
  std::optional<std::string> user;      // with his roles in `project`
  std::optional<std::string> policy;    // by its name
  std::optional<std::string> document;  // itself, as JSON
  std::string project;                  // empty: none
  identity::Action action{};
  std::string instance_id;                 // empty: none
  std::optional<identity::Labels> labels;  // nothing: those that the instance has in `project`
};
Checked<TrialRequest> parse_trial_request(std::string_view body);

}  // namespace drover::api::native
