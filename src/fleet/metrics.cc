#include "fleet/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace drover::fleet {

Metrics::Metrics(prometheus::Registry& registry)
    : tries(prometheus::BuildCounter()
                .Name("drover_link_tries_total")
                .Help("Connections to phones that were begun")
                .Register(registry)
                .Add({})) {
  auto& family = prometheus::BuildGauge()
                     .Name("drover_links")
                     .Help("Instances by the state of their link")
                     .Register(registry);
  for (std::size_t i = 0; i < kLinkStates; ++i) {
    links[i] = &family.Add({{"state", to_string(static_cast<LinkState>(i))}});
  }
}

}  // namespace drover::fleet
