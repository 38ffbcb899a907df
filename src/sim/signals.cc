#include "sim/signals.h"

#include <signal.h>

#include <array>
#include <charconv>

namespace drover::sim {

std::optional<int> signal_number(std::string_view name) {
  struct Named {
    std::string_view name;
    int number;
  };
  static constexpr std::array<Named, 11> kNames = {{{"HUP", SIGHUP},
                                                    {"INT", SIGINT},
                                                    {"QUIT", SIGQUIT},
                                                    {"KILL", SIGKILL},
                                                    {"USR1", SIGUSR1},
                                                    {"USR2", SIGUSR2},
                                                    {"PIPE", SIGPIPE},
                                                    {"ALRM", SIGALRM},
                                                    {"TERM", SIGTERM},
                                                    {"CONT", SIGCONT},
                                                    {"STOP", SIGSTOP}}};
  int number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size()) {
    return number >= 0 && number <= 64 ? std::optional(number) : std::nullopt;
  }
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const Named& named : kNames) {
    if (named.name == name) return named.number;
  }
  return std::nullopt;
}

bool ends_process(int signal) {
  switch (signal) {
    case 0:
    case SIGCHLD:
    case SIGCONT:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGURG:
    case SIGWINCH:
      return false;
    default:
      return true;
  }
}

}  // namespace drover::sim
