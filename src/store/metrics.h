// What the store counts.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace drover::store {

// Made once a registry: a second one of the same registry adds to the same figures.
struct Metrics {
  explicit Metrics(prometheus::Registry& registry);

  prometheus::Histogram& commit_seconds;  // from BEGIN to durable
  prometheus::Histogram& commit_rows;     // rows that a commit wrote
  prometheus::Gauge& queued_writes;       // handed in and not yet taken by the writer
  prometheus::Counter& failed_commits;
};

}  // namespace drover::store
