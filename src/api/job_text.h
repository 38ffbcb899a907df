// What clients are told of a job's end, in either API.
#pragma once

#include <string_view>

#include "store/types.h"

namespace drover::api {

// The `error_code` of a job: empty for one that succeeded.
std::string_view error_code(store::JobError error);

// A job's `error_msg`: what its outcome says, else a sentence for its code. Valid while the outcome is.
std::string_view error_message(const store::JobOutcome& outcome);

// Some of the job ran, so that it may have output.
bool has_run(const store::JobOutcome& outcome);

// "queued", "running", "succeeded", "failed", "lost" or "cancelled".
std::string_view state_name(store::JobState state);

}  // namespace drover::api
