// Why identities are not made or changed.
#pragma once

#include <system_error>

namespace drover::identity {

enum class Errc {
  kBadName = 1,  // not 1 to 64 of A-Z a-z 0-9 _ -
  kNotFound,     // no such project or token
  kBadLifetime,  // not 1 s to 10 years
};

std::error_code make_error_code(Errc code);

}  // namespace drover::identity

template <>
struct std::is_error_code_enum<drover::identity::Errc> : std::true_type {};
