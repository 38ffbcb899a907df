// Bugs to order, so that tests can show that they would notice one. Only the program in tests/broken/ is
// built with DROVER_PLANTED_BUGS; everywhere else planted() is a constant false and leaves no trace.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace drover::task {

#ifdef DROVER_PLANTED_BUGS
// DROVER_PLANT names the bugs that this process has, with commas between.
inline bool planted(std::string_view bug) {
  static const char* const named = std::getenv("DROVER_PLANT");
  std::string_view names = named == nullptr ? "" : named;
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(','), names.size());
    if (names.substr(0, end) == bug) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}
#else
constexpr bool planted(std::string_view) { return false; }
#endif

}  // namespace drover::task
