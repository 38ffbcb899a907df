// Where Drover keeps its things on this machine.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace drover::cli {

// /var/lib/drover for root; else $XDG_STATE_HOME/drover or ~/.local/state/drover.
std::string default_data_dir();
// /etc/drover/drover.toml for root; else $XDG_CONFIG_HOME/drover/drover.toml or ~/.config/drover/drover.toml.
std::string default_config_file();

// The environment as "NAME=value".
std::vector<std::string> environment();

// Makes the folder `path` (mode 0700) and those above it, as far as they are missing, durably.
Result<> make_private_dir(const std::string& path);

// The whole file; "-" is standard input. kUsage if it cannot be read or is larger than `limit` bytes.
Result<std::string> read_whole_file(const std::string& path, std::size_t limit);

// Replaces the file at once: nobody sees half of it.
Result<> write_whole_file(const std::string& path, const std::string& bytes);

}  // namespace drover::cli
