// Why identities are not made or changed.
#pragma once

#include <system_error>

namespace drover::identity {

enum class Errc {
  kBadName = 1,       // not 1 to 64 of A-Z a-z 0-9 _ - (users: also . @ and inner spaces)
  kBadId,             // a project's id is not 32 lower-case hex digits
  kNotFound,          // no such project, user, role, key or token; the message says which
  kBadLifetime,       // not 1 s to 10 years
  kBadAuthorization,  // a signed request's header is malformed; the message says where
  kStale,             // signed more than 15 minutes from now
  kBadSignature,      // the signature is of another request, or by another key
  kBadPolicy,         // the message says where
  kBadPassword,       // not 8 to 256 bytes
  kBadKey,            // an access key or its secret is none; the message says which
  kBadCredentials,    // user, password and project do not go together
  kThrottled,         // too many of those, or too many at once from there; try again later
  kInUse,             // a policy that somebody holds is not removed; the message says who
  kBadMasterKey,      // the message says what is wrong with its file, or that something is not sealed by it
  kBusy,              // too much of this waits already; try again
};

std::error_code make_error_code(Errc code);

}  // namespace drover::identity

template <>
struct std::is_error_code_enum<drover::identity::Errc> : std::true_type {};
