#include "cli/paths.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/sync_folder.h"
#include "cli/errc.h"

namespace drover::cli {
namespace {

// `variable`/drover if it is set to an absolute path, as the XDG rules ask for, else ~/`below_home`/drover.
std::string xdg_dir(const char* variable, const char* below_home) {
  const char* const set = std::getenv(variable);
  if (set != nullptr && *set == '/') return std::string(set) + "/drover";
  const char* const home = std::getenv("HOME");
  return std::string(home != nullptr ? home : "") + "/" + below_home + "/drover";
}

Failure file_failure(const std::string& path, const char* what) {
  return fail(Errc::kUsage, path + ": " + what + ": " + std::strerror(errno));
}

Result<std::string> read_stream(std::FILE* file, const std::string& path, std::size_t limit) {
  std::string bytes;
  char chunk[64 * 1024];
  while (const std::size_t n = std::fread(chunk, 1, sizeof chunk, file)) {
    bytes.append(chunk, n);
    if (bytes.size() > limit) {
      return fail(Errc::kUsage, path + ": larger than " + std::to_string(limit) + " bytes");
    }
  }
  if (std::ferror(file) != 0) return file_failure(path, "cannot be read");
  return bytes;
}

// What is stored in a folder is durable only if the folder itself is.
Result<> make_dir(const std::filesystem::path& dir, mode_t mode) {
  std::error_code error;
  const std::filesystem::path above = dir.parent_path();
  if (!above.empty() && !std::filesystem::exists(above, error)) {
    if (Result<> made = make_dir(above, 0777); !made) return made;
  }
  if (::mkdir(dir.c_str(), mode) != 0) {
    if (errno == EEXIST && std::filesystem::is_directory(dir, error)) return {};
    return file_failure(dir, "cannot be made");
  }
  return sync_folder_of(dir) ? Result<>() : file_failure(dir, "cannot be made durable");
}

}  // namespace

std::string default_data_dir() {
  return ::geteuid() == 0 ? "/var/lib/drover" : xdg_dir("XDG_STATE_HOME", ".local/state");
}

std::string default_config_file() {
  const std::string dir = ::geteuid() == 0 ? "/etc/drover" : xdg_dir("XDG_CONFIG_HOME", ".config");
  return dir + "/drover.toml";
}

std::vector<std::string> environment() {
  std::vector<std::string> variables;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) variables.emplace_back(*at);
  return variables;
}

Result<> make_private_dir(const std::string& path) {
  std::filesystem::path dir = std::filesystem::path(path).lexically_normal();
  if (!dir.has_filename()) dir = dir.parent_path();  // it ended with a slash
  return make_dir(dir, 0700);
}

Result<std::string> read_whole_file(const std::string& path, std::size_t limit) {
  if (path == "-") return read_stream(stdin, "standard input", limit);
  std::FILE* const file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return file_failure(path, "cannot be opened");
  Result<std::string> bytes = read_stream(file, path, limit);
  std::fclose(file);
  return bytes;
}

Result<> write_whole_file(const std::string& path, const std::string& bytes) {
  const std::string fresh = path + ".new";
  std::FILE* const file = std::fopen(fresh.c_str(), "wbe");
  if (file == nullptr) return file_failure(fresh, "cannot be made");
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed) return file_failure(fresh, "cannot be written");
  if (std::rename(fresh.c_str(), path.c_str()) != 0) return file_failure(path, "cannot be replaced");
  return {};
}

}  // namespace drover::cli
