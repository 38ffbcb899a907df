// Keeps a second process away from the database.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace drover::store {

// Holds an flock on a file beside the database: a lock on the database itself would collide with SQLite's
// own. The file stays when the lock goes; an flock never outlives its process.
class FileLock {
 public:
  // kLocked if another store holds it, kUnavailable if the file cannot be made.
  static Result<FileLock> take(const std::string& path);

  // Whether a process holds the lock at `path`, and which, where the system says so. kUnavailable if the file
  // cannot be read.
  struct Holder {
    bool held = false;
    pid_t pid = 0;  // 0: not known
  };
  static Result<Holder> holder(const std::string& path);

  FileLock() = default;
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

  void release();

 private:
  int fd_ = -1;
};

}  // namespace drover::store
