// UTF-8 as it comes from phones and clients: never trusted to be well formed (RFC 3629).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace drover {

bool is_utf8(std::string_view bytes);

// `bytes` with every invalid byte replaced by U+FFFD, and at most `limit` bytes long, never ending inside a
// character.
std::string to_utf8(std::string_view bytes, std::size_t limit = static_cast<std::size_t>(-1));

}  // namespace drover
