// Tokens that a login gives out. Nothing is stored for them: the token itself is the statement, sealed, so
// every server that has the same master key can read it (the idea of Keystone's Fernet tokens).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "identity/master_key.h"

namespace drover::identity {

struct Session {
  std::int64_t user = 0;
  std::int64_t project = 0;  // 0: for no project
  std::int64_t issued_ms = 0;
  std::int64_t expires_ms = 0;
  std::array<unsigned char, 16> audit{};  // random; what logs may name the token by

  bool operator==(const Session&) const = default;
};

inline constexpr std::string_view kSessionPrefix = "drs_";
inline constexpr std::size_t kSessionTokenSize = 123;  // always

// "drs_" and the sealed statement as base64url without padding.
std::string seal_session(const MasterKey& key, const Session& session);

// What was sealed; nothing if the text differs from the token in a single character, or is of another key.
// Whether it has expired or been revoked is for the caller to say. On the way of every request: about a
// microsecond, no lock.
std::optional<Session> open_session(const MasterKey& key, std::string_view token);

}  // namespace drover::identity
