#include "task/outcomes.h"

namespace drover::task {
namespace {

using store::JobError;
using store::JobOutcome;
using store::JobState;

JobOutcome unbegun(JobState state, JobError error, std::int64_t now_ms, std::string message) {
  JobOutcome outcome;
  outcome.state = state;
  outcome.error = error;
  outcome.ended_ms = now_ms;
  outcome.message = std::move(message);
  return outcome;
}

}  // namespace

void exited(JobOutcome& outcome, int exit_code) {
  outcome.exit_code = exit_code;
  if (exit_code == 0) {
    outcome.state = JobState::kSucceeded;
    outcome.error = JobError::kNone;
    return;
  }
  outcome.state = JobState::kFailed;
  outcome.error = JobError::kExit;
  outcome.message = "exit code " + std::to_string(exit_code);
}

void disconnected(JobOutcome& outcome, std::string_view why) {
  outcome.state = JobState::kLost;
  outcome.error = JobError::kDisconnected;
  outcome.message = "the command was sent and no exit code came: ";
  outcome.message += why;
}

void timed_out(JobOutcome& outcome, std::uint32_t run_timeout_s) {
  outcome.state = JobState::kFailed;
  outcome.error = JobError::kTimeout;
  outcome.message = "killed after its run timeout of " + std::to_string(run_timeout_s) + " s";
}

JobOutcome cancelled(std::int64_t now_ms) {
  return unbegun(JobState::kCancelled, JobError::kCancelled, now_ms, "cancelled by a user");
}

JobOutcome interrupted(std::int64_t begun_ms, std::int64_t now_ms) {
  JobOutcome outcome = unbegun(JobState::kLost, JobError::kInterrupted, now_ms,
                               "Drover stopped when the command may have been sent, and no exit code came");
  outcome.begun_ms = begun_ms;
  return outcome;
}

JobOutcome phone_not_found(std::int64_t now_ms) {
  return unbegun(JobState::kFailed, JobError::kPhoneNotFound, now_ms, "Phone not found.");
}

JobOutcome refused(std::int64_t now_ms) {
  return unbegun(JobState::kFailed, JobError::kUnauthorized, now_ms, "the instance refuses Drover's ADB key");
}

JobOutcome expired(const fleet::Phone& phone, std::uint32_t start_deadline_s, std::int64_t now_ms) {
  const std::string deadline = "the start deadline of " + std::to_string(start_deadline_s) + " s";
  if (phone.state() == fleet::LinkState::kOnline) {
    return unbegun(JobState::kFailed, JobError::kExpired, now_ms, "the instance was busy until " + deadline);
  }
  std::string message = "the instance could not be reached within " + deadline;
  if (!phone.why().empty()) message += ": " + phone.why();
  return unbegun(JobState::kFailed, JobError::kOffline, now_ms, std::move(message));
}

JobOutcome not_sent(std::string_view why, std::uint32_t start_deadline_s, std::int64_t now_ms) {
  std::string message = "the instance took no command within the start deadline of ";
  message += std::to_string(start_deadline_s) + " s: ";
  message += why;
  return unbegun(JobState::kFailed, JobError::kOffline, now_ms, std::move(message));
}

const char* result_name(JobError error) {
  switch (error) {
    case JobError::kNone:
      return "ok";
    case JobError::kPhoneNotFound:
      return "phone_not_found";
    case JobError::kOffline:
      return "offline";
    case JobError::kUnauthorized:
      return "unauthorized";
    case JobError::kExit:
      return "exit";
    case JobError::kTimeout:
      return "timeout";
    case JobError::kDisconnected:
      return "disconnected";
    case JobError::kInterrupted:
      return "interrupted";
    case JobError::kCancelled:
      return "cancelled";
    case JobError::kExpired:
      return "expired";
    case JobError::kInternal:
      return "internal";
  }
  return "unknown";
}

}  // namespace drover::task
