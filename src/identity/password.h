// Passwords, of which only an Argon2id hash is kept.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace drover::identity {

inline constexpr std::size_t kShortestPassword = 8;   // bytes
inline constexpr std::size_t kLongestPassword = 256;  // bytes; more is not worth hashing

// Both take tens of milliseconds of a core and 19 MiB (what OWASP's password storage sheet names as the
// least), so they run on a thread that nothing else waits for.

// "$argon2id$v=19$...", with a salt of its own. kBadPassword for its length.
Result<std::string> hash_password(std::string_view password);

// An empty `hash` stands for a user who does not exist or has no password: no password is right then, and
// finding that out takes as long as for one who has.
bool password_is(std::string_view hash, std::string_view password);

// 20 characters of those of A-Z a-z 0-9 that nobody takes for others: 116 random bits.
std::string make_password();

}  // namespace drover::identity
