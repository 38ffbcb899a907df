// Bytes as text that URLs and headers take as it is: base64url without padding (RFC 4648, section 5).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace drover {

// How many characters `size` bytes are written in.
constexpr std::size_t base64url_size(std::size_t size) { return (size * 4 + 2) / 3; }

std::string base64url(std::string_view bytes);

// Fills all of `out`. False, with `out` in any state, unless `text` is exactly what base64url writes for as
// many bytes: there is no second spelling, by padding, other characters or bits left over at the end.
bool decode_base64url(std::string_view text, std::span<char> out);

}  // namespace drover
