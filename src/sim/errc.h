// The ways in which the simulator cannot start or obey.
#pragma once

#include <system_error>

namespace drover::sim {

enum class Errc {
  kBadFault = 1,   // not a fault, or a wrong amount
  kBadRange,       // not a range of phones
  kBadCommand,     // not a line of the control protocol
  kBadKeys,        // the file of accepted keys
  kListen,         // the port or the phones' addresses cannot be listened on
  kTooManyPhones,  // more than the descriptor limit or the address range allow
  kFile,           // journal, control socket or state directory
  kControl,        // no simulator answers on the control socket
};

std::error_code make_error_code(Errc code);

}  // namespace drover::sim

template <>
struct std::is_error_code_enum<drover::sim::Errc> : std::true_type {};
