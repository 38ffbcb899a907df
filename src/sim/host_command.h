// A simulated phone's command run by this machine's /bin/sh, as adbd runs it.
#pragma once

#include <memory>
#include <string_view>

#include "sim/command.h"

namespace drover::sim {

class Phone;
struct World;

// The shell leads a session and process group of its own and works in the phone's directory. Standard output
// and error are pipes, one for both unless the framing keeps them apart; standard input is a pipe too. When
// the host closes the stream, the shell alone gets SIGHUP. Destroying the command kills its process group.
// Null if no process could be made; the log says why.
std::unique_ptr<Command> start_host_command(World& world, Phone& phone, std::string_view text,
                                            Framing framing, CommandOwner& owner);

}  // namespace drover::sim
