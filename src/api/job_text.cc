#include "api/job_text.h"

namespace drover::api {
namespace {

using store::JobError;
using store::JobState;

struct Text {
  std::string_view code;
  std::string_view message;
};

Text text_of(JobError error) {
  switch (error) {
    case JobError::kNone:
      return {"", ""};
    case JobError::kPhoneNotFound:
      return {"CPS0005", "Phone not found."};
    case JobError::kOffline:
      return {"DROVER.JOB.OFFLINE", "The instance could not be reached before the start deadline."};
    case JobError::kUnauthorized:
      return {"DROVER.JOB.UNAUTHORIZED", "The instance refuses Drover's ADB key."};
    case JobError::kExit:
      return {"DROVER.JOB.EXIT", "The command's exit code was not 0."};
    case JobError::kTimeout:
      return {"DROVER.JOB.TIMEOUT", "The command was killed when its run timeout had passed."};
    case JobError::kDisconnected:
      return {"DROVER.JOB.DISCONNECTED",
              "The link broke after the command was sent; how it ended is not known."};
    case JobError::kInterrupted:
      return {"DROVER.JOB.INTERRUPTED",
              "Drover stopped after the command was sent; how it ended is not known."};
    case JobError::kCancelled:
      return {"DROVER.JOB.CANCELLED", "A user cancelled it."};
    case JobError::kExpired:
      return {"DROVER.JOB.EXPIRED", "The instance was busy until the start deadline."};
    case JobError::kInternal:
      break;
  }
  return {"DROVER.JOB.INTERNAL", "Internal error."};
}

}  // namespace

std::string_view error_code(JobError error) { return text_of(error).code; }

std::string_view error_message(const store::JobOutcome& outcome) {
  if (outcome.state == JobState::kSucceeded) return {};
  return outcome.message.empty() ? text_of(outcome.error).message : std::string_view(outcome.message);
}

bool has_run(const store::JobOutcome& outcome) { return outcome.begun_ms != 0; }

std::string_view state_name(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "queued";
    case JobState::kRunning:
      return "running";
    case JobState::kSucceeded:
      return "succeeded";
    case JobState::kFailed:
      return "failed";
    case JobState::kLost:
      return "lost";
    case JobState::kCancelled:
      return "cancelled";
  }
  return "failed";
}

}  // namespace drover::api
