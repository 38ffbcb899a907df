// Deletes old tasks, a little at a time.
#pragma once

#include <cstdint>

#include "base/loop.h"
#include "store/store.h"

namespace drover::task {

struct RetentionOptions {
  Seconds age{30 * 24 * 3600};          // tasks that finished longer ago go
  std::uint64_t max_jobs = 10'000'000;  // beyond this many stored jobs the oldest finished tasks go
};

// Belongs to `loop`, which like the store outlives it.
class Retention {
 public:
  Retention(Loop& loop, store::Store& store, RetentionOptions options);

  // On the loop's thread, or before it runs: looks once now and then once a minute.
  void start();

 private:
  void step();

  Loop& loop_;
  store::Store& store_;
  RetentionOptions options_;
  Timer timer_;
};

}  // namespace drover::task
