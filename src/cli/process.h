// What a long-running command asks of the operating system.
#pragma once

#include <atomic>
#include <cstddef>

#include "base/clock.h"

namespace drover::cli {

// Raises the soft limit of open descriptors to the hard one and returns it.
std::size_t raise_descriptor_limit();

// SIGTERM, SIGINT and SIGHUP ask the process to stop, from now to its end: one that comes late does not make
// the end of a process that has stopped look like a crash. One at a time.
class StopSignals {
 public:
  StopSignals();

  // How many have come.
  unsigned count() const;
  // Sleeps until one comes, wake() is called or `patience` is over. One thread.
  void wait(Millis patience);
  // Any thread.
  void wake();
};

}  // namespace drover::cli
