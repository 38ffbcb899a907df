// UTC times as clients write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace drover::api {

// Milliseconds since 1970 of `text`, which has the form `2023-08-15 14:30:45`, with `separator` between date
// and time and `end` at its end; fractions of a second are not taken. Nothing if it is none.
std::optional<std::int64_t> parse_utc(std::string_view text, char separator, std::string_view end);

}  // namespace drover::api
