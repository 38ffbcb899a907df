// What the engine counts.
#pragma once

#include <array>
#include <cstddef>

#include "store/types.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace drover::task {

struct Metrics {
  explicit Metrics(prometheus::Registry& registry);

  static constexpr std::size_t kResults = static_cast<std::size_t>(store::JobError::kInternal) + 1;
  std::array<prometheus::Counter*, kResults> results;  // drover_jobs_total{result}
  prometheus::Counter& tasks;                          // drover_tasks_total
  prometheus::Gauge& open;                             // drover_jobs_open: accepted and not ended
  prometheus::Gauge& running;                          // drover_jobs_running
  prometheus::Gauge& shards;                           // drover_shards: whose phones this node serves
  prometheus::Histogram& latency;  // drover_job_seconds: from accepted to ended and stored
};

}  // namespace drover::task
