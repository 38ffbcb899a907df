#include "store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "store/errc.h"

namespace drover::store {
namespace {

constexpr int kTries = 3;
constexpr std::chrono::milliseconds kPause{10};

// Who holds an flock on the file, by /proc/locks (proc(5)); 0: nobody whom it lists.
pid_t listed_holder(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return 0;
  char file[64];
  std::snprintf(file, sizeof file, "%02x:%02x:%ju", major(status.st_dev), minor(status.st_dev),
                static_cast<std::uintmax_t>(status.st_ino));
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number;
    std::string kind;  // "->" in the lines of those who wait
    std::string advisory;
    std::string mode;
    std::string place;
    pid_t pid = 0;
    if (words >> number >> kind >> advisory >> mode >> pid >> place && kind == "FLOCK" && place == file)
      return std::max(pid, 0);
  }
  return 0;
}

}  // namespace

Result<FileLock> FileLock::take(const std::string& path) {
  FileLock lock;
  lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock.fd_ < 0) return failure(Errc::kUnavailable, path + ": " + std::generic_category().message(errno));
  // holder() has it for a moment.
  int locked = ::flock(lock.fd_, LOCK_EX | LOCK_NB);
  for (int tries = 0; locked != 0 && errno == EWOULDBLOCK && tries < kTries; ++tries) {
    std::this_thread::sleep_for(kPause);
    locked = ::flock(lock.fd_, LOCK_EX | LOCK_NB);
  }
  if (locked == 0) return lock;
  if (errno == EWOULDBLOCK) return failure(Errc::kLocked, path + " is held");
  return failure(Errc::kUnavailable, path + ": " + std::generic_category().message(errno));
}

Result<FileLock::Holder> FileLock::holder(const std::string& path) {
  FileLock looked;
  looked.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (looked.fd_ < 0 && errno == ENOENT) return Holder{};
  if (looked.fd_ < 0)
    return failure(Errc::kUnavailable, path + ": " + std::generic_category().message(errno));
  if (const pid_t pid = listed_holder(looked.fd_); pid != 0) return Holder{true, pid};
  // The list leaves out processes of other containers.
  return Holder{::flock(looked.fd_, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK, 0};
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() { release(); }

void FileLock::release() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace drover::store
