// What can go wrong when the HTTP server starts.
#pragma once

#include <system_error>

namespace drover::http {

enum class Errc {
  kBadOption = 1,
  kBadAddress,
  kListen,
  kSocketPath,
  kSocketInUse,
  kCertificate,
};

std::error_code make_error_code(Errc code);

}  // namespace drover::http

template <>
struct std::is_error_code_enum<drover::http::Errc> : std::true_type {};
