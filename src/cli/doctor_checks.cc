#include "cli/doctor_checks.h"

#include <linux/magic.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "adb/key.h"
#include "base/clock.h"
#include "cli/local_config.h"
#include "cli/node.h"
#include "http/certificate.h"
#include "identity/master_key.h"
#include "identity/sealed_key.h"
#include "store/file_lock.h"

namespace drover::cli {
namespace {

using store::Finding;
using store::Verdict;

constexpr std::uint64_t kNoRoom = std::uint64_t{64} << 20;
constexpr std::uint64_t kLittleRoom = std::uint64_t{1} << 30;
constexpr std::int64_t kRenewalDays = 14;
constexpr std::size_t kShownKeys = 10;

Finding fine(const char* check, std::string message) { return {check, Verdict::kOk, std::move(message), {}}; }

std::string user_name(uid_t uid) {
  const passwd* const entry = ::getpwuid(uid);
  return entry != nullptr ? entry->pw_name : "user " + std::to_string(uid);
}

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777));
  return text;
}

// What others may do with a file, or who owns it, is not as it should be.
void look_at_file(const std::string& path, mode_t wanted, uid_t owner, std::vector<Finding>& findings) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) {
      findings.push_back({"files", Verdict::kFailure, path + ": " + std::strerror(errno),
                          "Run this as root, or as the user who runs the server."});
    }
    return;
  }
  if (S_ISLNK(status.st_mode)) return;  // its own mode says nothing
  if (wanted == 0600 && S_ISDIR(status.st_mode)) {
    findings.push_back(
        {"files", Verdict::kFailure, path + " is a folder", "mv " + path + " " + path + ".old"});
    return;
  }
  const char* const digits = wanted == 0700 ? "700 " : "600 ";
  if ((status.st_mode & 077) != 0) {
    findings.push_back({"files", Verdict::kWarning,
                        path + " has mode " + octal(status.st_mode) + ": others may use it",
                        std::string("chmod ") + digits + path});
  }
  if ((status.st_mode & 0600) != 0600) {
    findings.push_back({"files", Verdict::kFailure,
                        path + " has mode " + octal(status.st_mode) + ": its owner cannot use it",
                        std::string("chmod ") + digits + path});
  }
  if (status.st_uid != owner) {
    findings.push_back(
        {"files", Verdict::kFailure,
         path + " belongs to " + user_name(status.st_uid) + ", and the folder to " + user_name(owner),
         "chown " + user_name(owner) + " " + path});
  }
}

// File systems whose files other machines see as well, or whose shared memory is not shared: SQLite's log
// needs both the locks and the memory of one machine (https://www.sqlite.org/wal.html).
std::optional<std::string> unfit(const std::string& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return std::nullopt;
  switch (static_cast<unsigned long>(status.f_type)) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
      return "SMB";
    case V9FS_MAGIC:
      return "9P";
    case CEPH_SUPER_MAGIC:
      return "Ceph";
    case AFS_SUPER_MAGIC:
      return "AFS";
    default:
      return std::nullopt;
  }
}

// The hard limit of a process, which the server raises its own to.
std::optional<std::uint64_t> descriptors_of(pid_t pid) {
  std::ifstream limits("/proc/" + std::to_string(pid) + "/limits");
  for (std::string line; std::getline(limits, line);) {
    if (!line.starts_with("Max open files")) continue;
    std::istringstream words(line.substr(std::strlen("Max open files")));
    std::string soft;
    std::uint64_t hard = 0;
    if (words >> soft >> hard) return hard;
  }
  return std::nullopt;
}

std::uint64_t own_descriptors() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 1024;
}

}  // namespace

std::vector<Finding> check_folder(const Config& config) {
  struct stat status {};
  const std::string& folder = config.data_dir;
  if (::stat(folder.c_str(), &status) != 0) {
    return {{"folder", errno == ENOENT ? Verdict::kWarning : Verdict::kFailure,
             folder + ": " + std::strerror(errno),
             errno == ENOENT ? "The first start of `drover serve` makes it. --data-dir looks elsewhere."
                             : "Run this as root, or as the user who runs the server."}};
  }
  if (!S_ISDIR(status.st_mode)) {
    return {{"folder", Verdict::kFailure, folder + " is not a folder",
             "Move it away, or give another --data-dir."}};
  }
  std::vector<Finding> findings{fine("folder", folder + ", of " + user_name(status.st_uid))};
  // The folder itself, where this is a link to it.
  look_at_file(folder + "/.", 0700, status.st_uid, findings);
  for (const char* name :
       {"drover.db", "drover.db-wal", "drover.db-shm", "drover.db.lock", "drover.sock", "masterkey"})
    look_at_file(folder + "/" + name, 0600, status.st_uid, findings);
  return findings;
}

std::vector<Finding> check_disk(const Config& config) {
  struct statvfs status {};
  if (::statvfs(config.data_dir.c_str(), &status) != 0)
    return {{"disk", Verdict::kWarning, config.data_dir + ": " + std::strerror(errno), {}}};
  const std::uint64_t room = std::uint64_t{status.f_bavail} * status.f_frsize;
  std::vector<Finding> findings{fine("disk", std::to_string(room >> 20) + " MiB are free")};
  const std::string advice =
      "Make room, or keep less: retention.days and retention.jobs. While nothing fits, new tasks are refused "
      "with\n"
      "503 and ends of jobs wait in memory.";
  if (room < kLittleRoom) {
    findings[0].verdict = room < kNoRoom ? Verdict::kFailure : Verdict::kWarning;
    findings[0].advice = advice;
  } else if (status.f_files != 0 && status.f_favail == 0) {
    findings[0] = {"disk", Verdict::kFailure, "no file can be made: there are no inodes left", advice};
  }
  if ((status.f_flag & ST_RDONLY) != 0) {
    findings.push_back({"disk", Verdict::kWarning, "the file system is mounted read-only",
                        "A server cannot be started here; a copy of this folder elsewhere can be."});
  }
  if (const auto kind = unfit(config.data_dir)) {
    findings.push_back(
        {"disk", Verdict::kFailure, "the folder is on " + *kind,
         "A database with a write-ahead log needs a disk of this machine: move the folder to one."});
  }
  return findings;
}

Finding check_node(const Config& config) {
  const auto holder = store::FileLock::holder(config.data_dir + "/node.lock");
  std::string running = "and is not running";
  if (holder && holder->held)
    running = holder->pid == 0 ? "and is running" : "and is running, pid " + std::to_string(holder->pid);
  return {"database", Verdict::kFailure,
          "the server of this folder keeps its tasks in PostgreSQL, " + running +
              "; its address is not known here",
          how_to_name_store()};
}

Finding check_key(const Config& config) {
  struct stat status {};
  if (::stat(config.adb.key.c_str(), &status) != 0 && errno == ENOENT) {
    return {"key", Verdict::kWarning, config.adb.key + " is not there",
            "The next start makes a new one, which every phone has to be told to trust. If there was one, "
            "put it back\n"
            "from a backup first."};
  }
  if (const auto key = adb::load_key(config.adb.key); !key) {
    return {"key", Verdict::kFailure, key.error().message,
            "Put it back from a backup. Without it every phone has to be told to trust a new one."};
  }
  return fine("key", config.adb.key);
}

Finding check_master_key(const Config& config, const store::CheckReport& report) {
  const std::string path = config.master_key();
  const std::string keys = std::to_string(report.identities.keys.size()) + " access keys";
  const auto master = identity::MasterKey::load(path);
  const bool missing = !master && master.error().code == std::errc::no_such_file_or_directory;
  if (missing && report.identities.keys.empty()) {
    return {"masterkey", Verdict::kWarning, path + " is not there",
            "The next start makes a new one. Who has logged in before has to log in again."};
  }
  if (!master) {
    return {"masterkey", Verdict::kFailure,
            missing ? path + " is not there, and " + keys + " are sealed with it" : master.error().message,
            "Put it back from a backup: no start goes without it. If there is none, make another, and then "
            "these\n"
            "access keys anew (`drover keys remove`, `drover keys create`):\n  (umask 077; openssl rand -hex "
            "32 > " +
                path + ")"};
  }
  const std::vector<std::string> closed = identity::closed_keys(report.identities, *master);
  if (closed.empty()) return fine("masterkey", path + ", which opens " + keys);
  std::string names;
  for (std::size_t i = 0; i < std::min(closed.size(), kShownKeys); ++i) names += " " + closed[i];
  if (closed.size() > kShownKeys) names += " ...";
  return {
      "masterkey", Verdict::kFailure,
      path + " does not open " + std::to_string(closed.size()) + " of " + keys + ":" + names,
      "Put back the one that they were made with, from a backup; or remove these keys (`drover keys remove`) "
      "and\n"
      "make new ones. Until then they sign nothing."};
}

Finding check_certificate(const Config& config) {
  const auto loaded =
      http::Certificate::load({config.http.tls_certificate, config.http.tls_key, config.http.tls_client_ca});
  if (!loaded) {
    return {"certificate", Verdict::kFailure, loaded.error().message,
            "A start is refused with these; a running server goes on with what it has read before."};
  }
  const std::int64_t left_s = (*loaded)->expires_s() - Clock().unix_ms() / 1000;
  const std::string message =
      config.http.tls_certificate + ", valid until " + format_utc((*loaded)->expires_s() * 1000);
  if (left_s > kRenewalDays * 24 * 3600) return fine("certificate", message);
  return {"certificate", Verdict::kWarning, message,
          "Put a new one in its place; a running server takes it by itself."};
}

Finding check_descriptors(const Config& config, const store::CheckReport& report) {
  const auto served = report.server == 0 ? std::nullopt : descriptors_of(report.server);
  const std::uint64_t limit = served.value_or(own_descriptors());
  const std::uint64_t phones = phones_for(config, static_cast<std::size_t>(limit));
  const std::string message = std::string(served ? "the server may" : "a server started here may") +
                              " have " + std::to_string(limit) + ": enough for " + std::to_string(phones) +
                              " phones, and there are " + std::to_string(report.instances) + " instances";
  if (static_cast<std::uint64_t>(report.instances) <= phones) return fine("descriptors", message);
  return {"descriptors", Verdict::kWarning, message,
          "Raise the limit of open files: LimitNOFILE= (systemd), or ulimit -Hn before the start."};
}

}  // namespace drover::cli
