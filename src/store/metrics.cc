#include "store/metrics.h"

namespace drover::store {
namespace {

prometheus::Histogram::BucketBoundaries seconds() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1};
}

prometheus::Histogram::BucketBoundaries rows() {
  return {1, 3, 10, 30, 100, 300, 1'000, 3'000, 10'000, 30'000};
}

}  // namespace

Metrics::Metrics(prometheus::Registry& registry)
    : commit_seconds(prometheus::BuildHistogram()
                         .Name("drover_store_commit_seconds")
                         .Help("Time that a commit took, from its first row until it was durable")
                         .Register(registry)
                         .Add({}, seconds())),
      commit_rows(prometheus::BuildHistogram()
                      .Name("drover_store_commit_rows")
                      .Help("Rows that a commit wrote")
                      .Register(registry)
                      .Add({}, rows())),
      queued_writes(prometheus::BuildGauge()
                        .Name("drover_store_queued_writes")
                        .Help("Writes that wait for the commit under way to end")
                        .Register(registry)
                        .Add({})),
      failed_commits(prometheus::BuildCounter()
                         .Name("drover_store_failed_commits_total")
                         .Help("Commits that failed: nothing of them is stored")
                         .Register(registry)
                         .Add({})) {}

}  // namespace drover::store
