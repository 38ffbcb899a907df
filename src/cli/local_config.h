// The settings in force on this machine: of `drover serve`, and of the commands that work on its data folder.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "cli/config.h"

namespace drover::cli {

// `file` or DROVER_CONFIG or the default file, then the environment, then `flags` by the setting's name.
Result<LoadedConfig> load_local_config(const std::string& file, std::map<std::string, std::string> flags);

// The same where the data folder is all that can be given; empty: as configured.
Result<LoadedConfig> load_local_config(const std::string& file, const std::string& data_dir);

// Whether the folder is of a node that keeps its tasks in PostgreSQL, though the settings do not say so. What
// to do about it is how_to_name_store().
bool lacks_store(const Config& config);
std::string how_to_name_store();

}  // namespace drover::cli
