// What outlives the process, as plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
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
  std::int64_t seq = 0;  // set by the store, from 1
  std::string id;        // 32 lower-case hex digits, unique: what Keystone and signed requests call it
  std::string name;      // unique; 1 to 64 of A-Z a-z 0-9 _ -
  bool koophone_commands_only = false;
  std::int64_t created_ms = 0;

  bool operator==(const Project&) const = default;
};

// An operator's own token: it belongs to a project, and to no user.
struct Token {
  std::string id;    // public name of the token, for listing and revoking
  std::string hash;  // SHA-256 of the secret, 32 raw bytes; the secret itself is stored nowhere
  std::int64_t project = 0;
  std::string policy;  // its role: the name of a system role or of a policy
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;

  bool operator==(const Token&) const = default;
};

struct User {
  std::int64_t seq = 0;  // set by the store, from 1; never used again for another user
  std::string id;        // 32 lower-case hex digits, unique
  std::string name;      // unique
  std::string password;  // its Argon2id hash; empty: no password opens this user
  bool enabled = true;
  std::int64_t created_ms = 0;
  std::int64_t sessions_from_ms = 0;  // sessions given out before are void

  bool operator==(const User&) const = default;
};

// A user holds a role in a project.
struct Grant {
  std::int64_t user = 0;
  std::int64_t project = 0;  // 0: in all projects
  std::string policy;        // the name of a system role or of a policy

  auto operator<=>(const Grant&) const = default;
};

struct Policy {
  std::string name;  // unique
  std::string text;  // JSON, as given
  std::int64_t created_ms = 0;

  bool operator==(const Policy&) const = default;
};

struct AccessKey {
  std::string id;  // the access key itself, which is no secret; unique
  std::int64_t user = 0;
  std::string sealed;  // the secret key, encrypted with the node's master key
  std::int64_t created_ms = 0;

  bool operator==(const AccessKey&) const = default;
};

// A session that was ended before its time.
struct Revocation {
  std::string session;          // its 16 bytes
  std::int64_t expires_ms = 0;  // afterwards nobody needs to know

  bool operator==(const Revocation&) const = default;
};

// All that says who may do what.
struct IdentityRows {
  std::vector<Project> projects;
  std::vector<Token> tokens;
  std::vector<User> users;
  std::vector<Grant> grants;
  std::vector<Policy> policies;
  std::vector<AccessKey> keys;
  std::vector<Revocation> revocations;
};

// Changes to it. kExists where a unique name is taken, kNotFound where there is nothing to change, or where
// the user is not there to whom something is given.
namespace change {
struct AddToken {
  Token token;
};
struct RemoveToken {
  std::string id;
};
struct UpdateUser {  // all but seq, id and created_ms
  User user;
};
struct RemoveUser {  // with its grants and keys
  std::int64_t user = 0;
};
struct AddGrant {
  Grant grant;
};
struct RemoveGrant {
  Grant grant;
};
struct PutPolicy {  // new, or instead of the one of that name, whose created_ms stays
  Policy policy;
};
struct RemovePolicy {
  std::string name;
};
struct AddKey {
  AccessKey key;
};
struct RemoveKey {
  std::string id;
};
struct Revoke {  // expired ones are forgotten with it; to revoke twice is no failure
  Revocation revocation;
  std::int64_t now_ms = 0;
};
}  // namespace change
using IdentityChange =
    std::variant<change::AddToken, change::RemoveToken, change::UpdateUser, change::RemoveUser,
                 change::AddGrant, change::RemoveGrant, change::PutPolicy, change::RemovePolicy,
                 change::AddKey, change::RemoveKey, change::Revoke>;

// By which policies select instances; both parts 1 to 64 of A-Z a-z 0-9 _ . -
using Labels = std::map<std::string, std::string, std::less<>>;

struct Instance {
  std::int64_t seq = 0;  // set by the store; never used again for another instance
  std::int64_t project = 0;
  std::string id;       // 1 to 32 of A-Z a-z 0-9 _ -, unique in its project
  std::string address;  // adb://HOST:PORT
  // When put: nothing leaves a known instance's labels as they are. As read: always there.
  std::optional<Labels> labels = std::nullopt;
  std::int64_t created_ms = 0;

  bool operator==(const Instance&) const = default;
};

// Who did what, from where, on which instances, and how it went. Never a secret, a command or output.
struct AuditEntry {
  std::int64_t seq = 0;  // set by the store, rising
  std::int64_t at_ms = 0;
  std::int64_t project = 0;  // 0: none
  std::string actor;         // "user:NAME", "token:ID", "key:ID of user:NAME", "local"; empty: nobody known
  std::string address;       // of the client, without its port
  std::string request_id;
  std::string action;   // "koophone:cloudphoneResource:asyncInvokeInstance", "drover:user:create" ...
  std::string subject;  // the task, user, project ... that it was done to
  std::vector<std::string> instances;  // none empty, no newline in any
  std::uint32_t status = 0;            // of the HTTP answer
  std::string message;                 // why it was refused
  // Not stored: within a WriteBatch, the accepted task that the entry is about. Its id becomes the subject
  // and its targets the instances, which need not be held twice.
  std::int64_t task = 0;

  bool operator==(const AuditEntry&) const = default;
};

struct AuditQuery {
  std::int64_t after = 0;  // entries with larger numbers
  std::optional<std::int64_t> project = std::nullopt;
  std::int64_t from_ms = 0;
  std::int64_t until_ms = 0;  // 0: no end
  std::uint32_t limit = 1'000;
};

}  // namespace drover::store
