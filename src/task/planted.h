// Bugs to order, so that tests can show that they would notice one. Only the program in tests/broken/ is
// built with DROVER_PLANTED_BUGS; everywhere else planted() is a constant false and leaves no trace.
#pragma once

#include <cstdlib>
#include <string_view>

namespace drover::task {

#ifdef DROVER_PLANTED_BUGS
// DROVER_PLANT names the one bug that this process has.
inline bool planted(std::string_view bug) {
  static const char* const name = std::getenv("DROVER_PLANT");
  return name != nullptr && bug == name;
}
#else
constexpr bool planted(std::string_view) { return false; }
#endif

}  // namespace drover::task
