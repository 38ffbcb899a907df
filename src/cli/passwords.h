// Passwords that come from people: never as an argument, which every user of the machine could read.
#pragma once

#include <string>

#include "base/result.h"

namespace drover::cli {

// The first line of a secret's file ("-": standard input). kUsage: it cannot be read, or is empty.
Result<std::string> read_secret_file(const std::string& path);

// Asks at the terminal, without echo. kUsage if there is no terminal, or nothing was typed. A signal that
// ends the program finds the terminal as it was.
Result<std::string> ask_password(const std::string& question);
// The same, twice: kUsage if the two differ.
Result<std::string> ask_new_password(const std::string& user);

}  // namespace drover::cli
