// Why a command of the command line does not do what was asked, and with which code the program then ends.
#pragma once

#include <system_error>

#include "base/result.h"

namespace drover::cli {

enum class Errc {
  kUsage = 1,    // a wrong argument, setting or file: exit code 2
  kUnreachable,  // no server answers: exit code 2
  kRefused,      // the server said no: exit code 1
  kMissing,      // the server does not have it: exit code 1
  kBusy,         // the server says that it cannot at the moment (503): exit code 1
};

std::error_code make_error_code(Errc code);

// A failure whose `message` is complete in itself.
Failure fail(Errc code, std::string message);

inline constexpr int kExitOk = 0;
inline constexpr int kExitNotAll = 1;  // a job did not succeed, or the server refused
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInterrupted = 130;

// The exit code for `error`, after showing it on standard error.
int show_error(const Error& error);

}  // namespace drover::cli

template <>
struct std::is_error_code_enum<drover::cli::Errc> : std::true_type {};
