// The commands of the simulated Android that answer at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drover::sim {

class Phone;

struct BuiltinCall {
  Phone& phone;
  const std::vector<std::string>& words;  // words[0] is the command's name, without its directory
  std::string input;                      // what `cat` without a file prints
  std::string out;
  std::string err;
};

// Returns the exit code.
using Builtin = int (*)(BuiltinCall&);

// Null if there is no such command.
Builtin find_builtin(std::string_view name);

}  // namespace drover::sim
