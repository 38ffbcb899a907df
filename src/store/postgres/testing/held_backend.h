// For tests: a process of the server that stands still, as the machine under it may.
#pragma once

#include <sys/types.h>

#include <csignal>

namespace drover::store::postgres {

class HeldBackend {
 public:
  explicit HeldBackend(pid_t pid) : pid_(pid) { ::kill(pid_, SIGSTOP); }
  ~HeldBackend() { ::kill(pid_, SIGCONT); }
  HeldBackend(const HeldBackend&) = delete;
  HeldBackend& operator=(const HeldBackend&) = delete;

 private:
  const pid_t pid_;
};

}  // namespace drover::store::postgres
