// A Shell on a session's stream.
#pragma once

#include <memory>
#include <string_view>

#include "adb/shell.h"

namespace drover::adb {

class HostSession;

// Opens the stream in which `command` runs. The session is online and takes the command: it is no longer than
// max_command_size() allows and holds no NUL.
std::unique_ptr<Shell> start_shell(HostSession& session, std::string_view command, ShellEvents& events);

}  // namespace drover::adb
