// The ways in which talking to a phone fails.
#pragma once

#include <system_error>

namespace drover::adb {

enum class Errc {
  kUnreachable = 1,   // no TCP connection
  kHandshakeTimeout,  // TCP is open, but adbd did not finish the handshake in time: often still booting
  kUnauthorized,      // the phone accepts none of our keys
  kProtocol,          // the phone sent what no adbd sends; the connection cannot be resynchronised
  kClosed,            // the phone closed the connection
  kTimeout,           // the phone did not acknowledge in time
  kTlsRequired,       // the phone insists on TLS (STLS), which this build does not speak
  kBadKey,            // a key file that is not an adb key
};

std::error_code make_error_code(Errc code);

}  // namespace drover::adb

template <>
struct std::is_error_code_enum<drover::adb::Errc> : std::true_type {};
