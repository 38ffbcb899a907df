#include "cli/local_config.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "cli/paths.h"

namespace drover::cli {

Result<LoadedConfig> load_local_config(const std::string& file, std::map<std::string, std::string> flags) {
  const char* const named = std::getenv("DROVER_CONFIG");
  ConfigSources sources;
  sources.file = file.empty() && named != nullptr ? named : file;
  sources.default_file = default_config_file();
  sources.env = environment();
  sources.flags = std::move(flags);
  sources.default_data_dir = default_data_dir();
  return load_config(sources);
}

Result<LoadedConfig> load_local_config(const std::string& file, const std::string& data_dir) {
  std::map<std::string, std::string> flags;
  if (!data_dir.empty()) flags["data_dir"] = data_dir;
  return load_local_config(file, std::move(flags));
}

bool lacks_store(const Config& config) {
  std::error_code error;
  return !config.on_postgres() && std::filesystem::exists(config.data_dir + "/node", error) &&
         !std::filesystem::exists(config.database(), error);
}

std::string how_to_name_store() {
  return "Name the store as `drover serve` is told it: --store postgresql://..., DROVER_STORE, or\n"
         "--config FILE for a drover.toml that has it.";
}

}  // namespace drover::cli
