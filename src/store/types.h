// What outlives the process, as plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/id.h"

namespace drover::store {

// queued -> running -> one of the others. Lost: the command was sent and nobody knows how it ended.
enum class JobState : std::uint8_t { kQueued, kRunning, kSucceeded, kFailed, kLost, kCancelled };

constexpr bool has_ended(JobState state) { return state > JobState::kRunning; }

// Why a job did not succeed. Stored as these numbers: only ever add at the end.
enum class JobError : std::uint8_t {
  kNone,
  kPhoneNotFound,
  kOffline,
  kUnauthorized,
  kExit,
  kTimeout,
  kDisconnected,
  kInterrupted,
  kCancelled,
  kExpired,
  kInternal,
};

// A job within the database: its task's number and its index in the task's targets. Ordered as accepted.
struct JobKey {
  static constexpr std::uint32_t kMaxJobs = 1u << 20;  // in one task

  std::int64_t task = 0;
  std::uint32_t index = 0;

  std::int64_t packed() const { return task * kMaxJobs + index; }
  static JobKey unpack(std::int64_t packed) {
    return {packed / kMaxJobs, static_cast<std::uint32_t>(packed % kMaxJobs)};
  }
  auto operator<=>(const JobKey&) const = default;
};

// One stream's output. Beyond the limit the middle is left out: `omitted` bytes of it, at offset
// `omitted_at`.
struct StreamOutput {
  std::string bytes;
  std::uint64_t omitted = 0;
  std::uint64_t omitted_at = 0;

  bool operator==(const StreamOutput&) const = default;
};

// How a job ended.
struct JobOutcome {
  JobState state = JobState::kFailed;
  JobError error = JobError::kNone;
  std::int32_t exit_code = -1;  // -1: none came
  std::int64_t begun_ms = 0;    // 0: it never began
  std::int64_t ended_ms = 0;
  std::string message;  // for people; empty on success
  // The first bytes of both streams in the order in which they came, at most 1,024, as raw bytes.
  std::string shown;
  // What the phone sent in all, kept or not, and a hash of it: equal for equal output (and codes), for
  // grouping.
  std::uint64_t output_bytes = 0;
  std::uint64_t output_hash = 0;
  StreamOutput out;
  StreamOutput err;

  bool operator==(const JobOutcome&) const = default;
};

struct Task {
  std::int64_t seq = 0;  // its number in this database, rising with acceptance
  Id id;
  std::int64_t project = 0;
  std::string command;
  // Instance ids, one job each, in order; repeated ids are jobs of their own. 1 to JobKey::kMaxJobs, no
  // newline in any.
  std::vector<std::string> targets;
  std::int64_t created_ms = 0;
  std::int64_t finished_ms = 0;  // 0: jobs are still open
  std::uint32_t start_deadline_s = 0;
  std::uint32_t run_timeout_s = 0;

  bool operator==(const Task&) const = default;
};

struct Project {
  std::int64_t seq = 0;  // set by the store
  std::string name;      // unique; 1 to 64 of A-Z a-z 0-9 _ -
  bool koophone_commands_only = false;
  std::int64_t created_ms = 0;

  bool operator==(const Project&) const = default;
};

enum class Role : std::uint8_t { kReadOnly, kAdmin };

struct Token {
  std::string id;    // public name of the token, for listing and revoking
  std::string hash;  // SHA-256 of the secret, 32 raw bytes; the secret itself is stored nowhere
  std::int64_t project = 0;
  Role role = Role::kReadOnly;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;

  bool operator==(const Token&) const = default;
};

struct Instance {
  std::int64_t seq = 0;  // set by the store; never used again for another instance
  std::int64_t project = 0;
  std::string id;       // 1 to 32 of A-Z a-z 0-9 _ -, unique in its project
  std::string address;  // adb://HOST:PORT
  std::int64_t created_ms = 0;

  bool operator==(const Instance&) const = default;
};

}  // namespace drover::store
