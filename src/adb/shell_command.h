// What Drover wraps around a user's command, as text for the phone's shell.
//
// Whoever wants to end a command later needs its process group, and adbd does not tell. The shell that adbd
// starts is the leader of a group of its own (it called setsid), so each command is preceded by one that
// prints `$$` on a first line of standard output, which the host takes out again (PidLine in shell_parser.h):
//
//   shell,v2,raw:exec </dev/null;echo drover:$$;COMMAND
//
// It also puts standard input at its end, which saves a packet of shell_v2's own way to say so. All of it is
// on the command's first line, so that line numbers in error messages stay right.
//
// A phone without shell_v2 (Android 6 and older) sends no exit code, so there a line with a random marker
// follows:
//
//   shell:exec </dev/null;echo drover:$$;trap 'echo drover-MARKER:$?' 0
//   (:;COMMAND
//   )
//
// The command has a shell of its own there, so that neither `exit` nor `exec` nor its own traps get round the
// marker.
// `:` is for a command that is empty or a comment, the newline for one that ends in a comment or a
// here-document, and the trap, set before the rest is parsed, prints the marker after a syntax error, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace drover::adb {

inline constexpr std::string_view kPidTag = "drover:";
inline constexpr std::string_view kShellV2Prefix = "shell,v2,raw:exec </dev/null;echo drover:$$;";

// The service to OPEN for `command` on a phone with shell_v2, without OPEN's final NUL.
std::string shell_v2_service(std::string_view command);

// The same for a phone without; `marker` is from make_marker().
std::string legacy_shell_service(std::string_view command, std::string_view marker);

// What neither a command nor a phone can guess: `drover-`, 16 random hex digits and a colon. The exit code
// follows it.
std::string make_marker();

// The service that ends process group `group`: TERM, a second later KILL.
std::string kill_service(std::uint32_t group, bool shell_v2);

// The longest command whose service fits into an OPEN of `max_payload` bytes.
std::size_t max_command_size(std::uint32_t max_payload, bool shell_v2);

}  // namespace drover::adb
