#include "task/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "task/outcomes.h"

namespace drover::task {
namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

Metrics::Metrics(prometheus::Registry& registry)
    : tasks(counter(registry, "drover_tasks_total", "Tasks accepted")),
      open(gauge(registry, "drover_jobs_open", "Jobs accepted and not yet ended")),
      running(gauge(registry, "drover_jobs_running", "Commands running on phones")),
      shards(gauge(registry, "drover_shards", "Shards of 256 whose phones this node serves")),
      latency(prometheus::BuildHistogram()
                  .Name("drover_job_seconds")
                  .Help("From a job's acceptance until its end was stored")
                  .Register(registry)
                  .Add({}, prometheus::Histogram::BucketBoundaries{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                                   1, 2.5, 5, 10, 30, 60, 300, 600})) {
  auto& family =
      prometheus::BuildCounter().Name("drover_jobs_total").Help("Jobs ended, by result").Register(registry);
  for (std::size_t i = 0; i < kResults; ++i) {
    results[i] = &family.Add({{"result", result_name(static_cast<store::JobError>(i))}});
  }
}

}  // namespace drover::task
