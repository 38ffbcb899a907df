#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "adb/key.h"
#include "base/durable_file.h"
#include "base/sync_folder.h"
#include "cli/commands.h"
#include "cli/errc.h"
#include "cli/local_config.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/process.h"
#include "cli/terminal.h"
#include "identity/master_key.h"
#include "store/sqlite/sqlite_backup.h"

namespace drover::cli {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr int kNice = 10;
constexpr std::size_t kMaxKey = 65'536;
constexpr Millis kQuiet{1'000};  // nobody wants to see a bar for less

// The copy did not come about, though it was asked for rightly.
Failure failed(const std::string& path, const char* what) {
  return fail(Errc::kRefused, path + ": " + what + ": " + std::strerror(errno));
}

// The folder under a name of its own until it is whole; goes with all that is in it unless it was published.
class PartialFolder {
 public:
  // `destination` must not be there, or be an empty folder: kUsage.
  static Result<PartialFolder> make(std::string destination) {
    while (destination.size() > 1 && destination.back() == '/') destination.pop_back();
    std::error_code error;
    if (fs::exists(fs::symlink_status(destination, error)) &&
        !(fs::is_directory(destination, error) && fs::is_empty(destination, error))) {
      return fail(Errc::kUsage, destination + ": must not exist, or be an empty folder");
    }
    PartialFolder folder;
    folder.path_ = destination + ".partial-XXXXXX";
    if (::mkdtemp(folder.path_.data()) == nullptr) {
      const int code = errno;
      folder.path_.clear();
      return fail(Errc::kUsage, destination + ": cannot be made: " + std::strerror(code));
    }
    folder.destination_ = std::move(destination);
    return folder;
  }

  PartialFolder() = default;
  PartialFolder(PartialFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), destination_(std::move(other.destination_)) {}
  PartialFolder& operator=(PartialFolder&&) = delete;
  ~PartialFolder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }

  const std::string& path() const { return path_; }
  const std::string& destination() const { return destination_; }

  // Durable: the files are, then their names, then the folder's.
  Result<> publish() {
    if (!sync_folder_of(path_ + "/drover.db")) return failed(path_, "cannot be brought to the disk");
    if (::rename(path_.c_str(), destination_.c_str()) != 0) return failed(destination_, "cannot be made");
    path_.clear();
    return sync_folder_of(destination_) ? Result<>() : failed(destination_, "cannot be brought to the disk");
  }

 private:
  std::string path_;
  std::string destination_;
};

// The files of the keys. Read first, because they may be missing or of no use.
struct KeyFiles {
  std::string adb;
  std::optional<std::string> adb_pub;
  std::optional<std::string> master;  // none before the first start with users
};

Result<std::optional<std::string>> read_if_there(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  Result<std::string> bytes = read_whole_file(path, kMaxKey);
  if (!bytes) return Failure(bytes.error());
  return *std::move(bytes);
}

Result<KeyFiles> read_keys(const Config& config) {
  if (const auto key = adb::load_key(config.adb.key); !key) return fail(Errc::kRefused, key.error().message);
  if (const auto key = identity::MasterKey::load(config.master_key()); !key) {
    if (key.error().code != std::errc::no_such_file_or_directory)
      return fail(Errc::kRefused, key.error().message);
  }
  Result<std::string> adb = read_whole_file(config.adb.key, kMaxKey);
  if (!adb) return Failure(adb.error());
  Result<std::optional<std::string>> pub = read_if_there(config.adb.key + ".pub");
  if (!pub) return Failure(pub.error());
  Result<std::optional<std::string>> master = read_if_there(config.master_key());
  if (!master) return Failure(master.error());
  return KeyFiles{*std::move(adb), *std::move(pub), *std::move(master)};
}

Result<> write_keys(const KeyFiles& files, const std::string& folder) {
  Result<> done = write_durably(folder + "/adbkey", files.adb, 0600, IfThere::kFail);
  if (done && files.adb_pub)
    done = write_durably(folder + "/adbkey.pub", *files.adb_pub, 0600, IfThere::kFail);
  if (done && files.master) done = write_durably(folder + "/masterkey", *files.master, 0600, IfThere::kFail);
  return done ? done : fail(Errc::kRefused, done.error().message);
}

// Root makes the copy for whoever runs the server.
Result<> give_to_owner_of(const std::string& original, const std::string& folder) {
  struct stat status {};
  if (::geteuid() != 0 || ::stat(original.c_str(), &status) != 0 || status.st_uid == 0) return {};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (::lchown(entry.path().c_str(), status.st_uid, status.st_gid) != 0)
      return failed(entry.path().string(), "cannot be given to the owner of the original");
  }
  if (::lchown(folder.c_str(), status.st_uid, status.st_gid) != 0)
    return failed(folder, "cannot be given to the owner of the original");
  return {};
}

// The copy grows by as much as there is, and the log of a server at work a little.
Result<> check_space(const std::string& original, const std::string& folder) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(original, error);
  if (error) return fail(Errc::kUsage, original + ": " + error.message());
  const fs::space_info space = fs::space(folder, error);
  if (error || space.available > size) return {};
  return fail(Errc::kRefused, folder + ": there is room for " + std::to_string(space.available >> 20) +
                                  " MiB, and the database has " + std::to_string(size >> 20) + " MiB");
}

// A bar on a terminal for what takes longer than a moment.
class Watcher {
 public:
  bool operator()(std::uint64_t done, std::uint64_t of) {
    if (terminal_ && std::chrono::steady_clock::now() - begun_ > kQuiet)
      progress_.show(done >> 20, of >> 20, done < of ? "MiB copied" : "MiB copied, checking");
    return signals_.count() == 0;
  }
  void end() { progress_.clear(); }

 private:
  StopSignals signals_;
  const bool terminal_ = Terminal::of(stderr).is_terminal();  // a timer's mail is no place for it
  Progress progress_;
  SteadyTime begun_ = std::chrono::steady_clock::now();
};

Result<store::BackupReport> copy_all(const Config& config, PartialFolder& folder, Watcher& watcher) {
  const std::string original = config.database();
  const Result<KeyFiles> keys = read_keys(config);
  if (!keys) return Failure(keys.error());
  if (const Result<> room = check_space(original, folder.path()); !room) return Failure(room.error());
  auto report =
      store::back_up_sqlite(original, folder.path() + "/drover.db",
                            [&watcher](std::uint64_t done, std::uint64_t of) { return watcher(done, of); });
  watcher.end();
  if (!report) {
    if (report.error().code == std::errc::operation_canceled) return report;
    return fail(Errc::kRefused, report.error().message + "; database " + original +
                                    "\n`drover doctor --data-dir " + config.data_dir +
                                    "` says what is wrong; nothing was left behind");
  }
  const auto finished = write_keys(*keys, folder.path())
                            .and_then([&] { return give_to_owner_of(original, folder.path()); })
                            .and_then([&] { return folder.publish(); });
  if (!finished) return Failure(finished.error());
  return report;
}

void tell(const BackupOptions& options, const std::string& destination, const store::BackupReport& report) {
  if (options.local.json) {
    print_json(json::object{{"backup", destination},
                            {"bytes", report.bytes},
                            {"tasks", report.tasks},
                            {"open_jobs", report.open_jobs}});
    return;
  }
  std::printf("%s: %llu MiB, %lld tasks\n", printable(destination).c_str(),
              static_cast<unsigned long long>((report.bytes + 1'048'575) >> 20),
              static_cast<long long>(report.tasks));
  if (report.open_jobs == 0) return;
  std::printf("%lld jobs had not ended: a server that starts from it ends them as interrupted\n",
              static_cast<long long>(report.open_jobs));
}

}  // namespace

int back_up(const BackupOptions& options) {
  const Result<LoadedConfig> loaded = load_local_config(options.local.config, options.local.data_dir);
  if (!loaded) return show_error(loaded.error());
  if (loaded->config.on_postgres() || lacks_store(loaded->config)) {
    const std::string store = lacks_store(loaded->config) ? "PostgreSQL" : loaded->config.shown_store();
    return show_error({make_error_code(Errc::kUsage),
                       "tasks are kept in " + store +
                           ": copy that database with pg_dump or pg_basebackup, and these beside it: " +
                           loaded->config.master_key() + ", " + loaded->config.adb.key});
  }
  std::error_code error;
  const std::string destination = fs::weakly_canonical(fs::absolute(options.destination), error).string();
  if (error) return show_error({make_error_code(Errc::kUsage), options.destination + ": " + error.message()});
  if (!fs::exists(loaded->config.database(), error)) {
    return show_error({make_error_code(Errc::kUsage),
                       loaded->config.database() + ": there is no database (--data-dir says where)"});
  }
  Watcher watcher;  // from before there is anything to be left behind until it is gone
  Result<PartialFolder> folder = PartialFolder::make(destination);
  if (!folder) return show_error(folder.error());
  // The server goes first where both want a core.
  (void)::setpriority(PRIO_PROCESS, 0, kNice);
  const Result<store::BackupReport> report = copy_all(loaded->config, *folder, watcher);
  if (!report && report.error().code == std::errc::operation_canceled) {
    std::fputs("drover: left; nothing was copied\n", stderr);
    return kExitInterrupted;
  }
  if (!report) return show_error(report.error());
  tell(options, folder->destination(), *report);
  return kExitOk;
}

}  // namespace drover::cli
