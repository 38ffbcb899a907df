#include "sim/service.h"

namespace drover::sim {
namespace {

std::optional<Service> parse_shell(std::string_view arguments, std::string_view command, bool legacy) {
  // Without a command it would be a shell to type at.
  if (command.empty() || (legacy && !arguments.empty())) return std::nullopt;
  bool v2 = false;
  bool terminal = legacy;
  while (!arguments.empty()) {
    arguments.remove_prefix(1);  // the comma
    const std::string_view each = arguments.substr(0, arguments.find(','));
    arguments.remove_prefix(each.size());
    if (each == "v2") v2 = true;
    if (each == "pty") terminal = true;
  }
  const Framing framing = v2 ? Framing::kShellV2 : terminal ? Framing::kTerminal : Framing::kRaw;
  return Service{.framing = framing, .command = command};
}

}  // namespace

std::optional<Service> parse_service(std::string_view text, bool legacy) {
  text = text.substr(0, text.find('\0'));
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view name = text.substr(0, colon);
  const std::string_view rest = text.substr(colon + 1);
  if (name == "shell" || name.starts_with("shell,")) return parse_shell(name.substr(5), rest, legacy);
  if (name == "exec" && !rest.empty()) return Service{.framing = Framing::kRaw, .command = rest};
  if (name == "reboot") return Service{.kind = Service::kReboot, .command = rest};
  return std::nullopt;
}

}  // namespace drover::sim
