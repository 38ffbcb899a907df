// The one way a failure travels between rooms. No exception crosses a room's border.
#pragma once

#include <string>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>

namespace drover {

// What went wrong: `code` for programs (each room's errc.h), `message` for people, complete in itself.
struct Error {
  std::error_code code;
  std::string message;
};

template <typename T = void>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

// Makes a Failure of `code`, whose category supplies the sentence; `detail`, if any, follows it after ": ".
inline Failure failure(std::error_code code, std::string_view detail = {}) {
  std::string message = code.message();
  if (!detail.empty()) message.append(": ").append(detail);
  return Failure(Error{code, std::move(message)});
}

}  // namespace drover
