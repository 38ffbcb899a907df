// Deletes old tasks and old entries of the audit log, a little at a time.
//
// Age is told by the wall clock, and what is deleted stays so: while a WallWatch doubts that clock, nothing
// goes for its age. The number of jobs is limited all the while.
#pragma once

#include <cstdint>

#include "base/loop.h"
#include "base/wall_watch.h"
#include "store/store.h"

namespace drover::task {

struct RetentionOptions {
  Seconds age{30 * 24 * 3600};          // tasks that finished longer ago go
  std::uint64_t max_jobs = 10'000'000;  // beyond this many stored jobs the oldest finished tasks go
  Seconds audit_age{180 * 24 * 3600};   // entries of the audit log that are older go, by the hour
};

// Belongs to `loop`, which like the store outlives it.
class Retention {
 public:
  // `newest_ms`: Recovery::newest_ms.
  Retention(Loop& loop, store::Store& store, RetentionOptions options, std::int64_t newest_ms);

  // On the loop's thread, or before it runs: looks once now and then once a minute.
  void start();

 private:
  void step();
  // Whether nothing may go for its age now.
  bool doubts_clock();

  Loop& loop_;
  store::Store& store_;
  RetentionOptions options_;
  WallWatch watch_;
  Timer timer_;
};

}  // namespace drover::task
