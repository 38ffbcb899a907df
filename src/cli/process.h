// What a long-running command asks of the operating system.
#pragma once

#include <atomic>
#include <cstddef>

#include "base/clock.h"

namespace drover::cli {

// Raises the soft limit of open descriptors to the hard one and returns it.
std::size_t raise_descriptor_limit();

// SIGTERM, SIGINT and SIGHUP ask the process to stop. One at a time; its destructor restores what was before.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // How many have come.
  unsigned count() const;
  // Sleeps until one comes, wake() is called or `patience` is over. One thread.
  void wait(Millis patience);
  // Any thread.
  void wake();
};

}  // namespace drover::cli
