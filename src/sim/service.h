// What a host asks of adbd when it opens a stream: "shell,v2,raw:getprop".
#pragma once

#include <optional>
#include <string_view>

#include "sim/output.h"

namespace drover::sim {

struct Service {
  enum Kind : std::uint8_t { kCommand, kReboot };
  Kind kind = kCommand;
  Framing framing = Framing::kRaw;
  std::string_view command;
};

// Nothing if the phone refuses. A legacy phone knows no arguments to "shell" and runs commands on a terminal.
std::optional<Service> parse_service(std::string_view text, bool legacy);

}  // namespace drover::sim
