// Spans of time as people write them: "90s", "10m", "24h", "7d".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace drover::cli {

// A whole number and s, m, h or d; without a letter it means seconds. kUsage says what was expected.
Result<Seconds> parse_duration(std::string_view text);

// The shortest exact form: 86400 s is "1d", 90 s is "90s".
std::string format_duration(Seconds span);

}  // namespace drover::cli
