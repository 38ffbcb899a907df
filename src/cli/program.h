// The program `drover`: reads its arguments and does what they say.
#pragma once

namespace drover::cli {

// Returns the exit code: 0, 1 (a job did not succeed, or the server refused), 2 (usage, or no server), 130
// (Ctrl-C).
int run_program(int argc, const char* const* argv);

}  // namespace drover::cli
