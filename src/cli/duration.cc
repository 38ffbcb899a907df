#include "cli/duration.h"

#include <charconv>
#include <limits>

#include "cli/errc.h"

namespace drover::cli {
namespace {

// Seconds in a unit; 0: no such unit.
std::int64_t unit_seconds(std::string_view unit) {
  if (unit.empty() || unit == "s") return 1;
  if (unit == "m") return 60;
  if (unit == "h") return 3'600;
  if (unit == "d") return 86'400;
  return 0;
}

}  // namespace

Result<Seconds> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  const std::int64_t unit = unit_seconds({rest, static_cast<std::size_t>(end - rest)});
  const bool sound = error == std::errc() && count >= 0 && unit != 0;
  if (!sound || count > std::numeric_limits<std::int64_t>::max() / unit) {
    return fail(Errc::kUsage,
                "\"" + std::string(text) + "\" is not a span of time such as 90s, 10m, 24h or 7d");
  }
  return Seconds(count * unit);
}

std::string format_duration(Seconds span) {
  const std::int64_t s = span.count();
  for (const auto& [unit, letter] : {std::pair{86'400, 'd'}, {3'600, 'h'}, {60, 'm'}}) {
    if (s != 0 && s % unit == 0) return std::to_string(s / unit) + letter;
  }
  return std::to_string(s) + "s";
}

}  // namespace drover::cli
