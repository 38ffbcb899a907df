// The witness of what was begun: a line per command, in the file before the phone answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace drover::sim {

// A line is "UNIX_MS PHONE PID COMMAND\n"; in COMMAND, \n, \r, \t, \\ and \xHH stand for what would break the
// line.
class Journal {
 public:
  // Without a path nothing is kept.
  static Result<Journal> open(const std::string& path);
  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  void record(std::int64_t unix_ms, std::size_t phone, int pid, std::string_view command);

  // Writes what was recorded. False if that failed: it is tried again at the next call, and until it succeeds
  // nothing that depends on the lines may happen.
  bool flush();

 private:
  explicit Journal(int fd) : fd_(fd) {}

  int fd_ = -1;
  std::string pending_;
};

}  // namespace drover::sim
