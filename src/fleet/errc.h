// The ways in which managing instances fails.
#pragma once

#include <system_error>

namespace drover::fleet {

enum class Errc {
  kBadAddress = 1,  // not of the form adb://HOST:PORT
  kBadId,           // not 1 to 32 of A-Z a-z 0-9 _ -
  kNotFound,        // no such instance in this project
  kBadLabels,       // too many, or a key or value that is not 1 to 64 of A-Z a-z 0-9 _ . -
};

std::error_code make_error_code(Errc code);

}  // namespace drover::fleet

template <>
struct std::is_error_code_enum<drover::fleet::Errc> : std::true_type {};
