// Signals as `kill` names them.
#pragma once

#include <optional>
#include <string_view>

namespace drover::sim {

// "TERM", "SIGTERM" or "15"; 0 to 64.
std::optional<int> signal_number(std::string_view name);

// Whether it ends a process that does nothing about it.
bool ends_process(int signal);

}  // namespace drover::sim
