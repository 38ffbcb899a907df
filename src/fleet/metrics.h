// What the fleet counts.
#pragma once

#include <array>

#include "fleet/phone.h"

namespace prometheus {
class Counter;
class Gauge;
class Registry;
}  // namespace prometheus

namespace drover::fleet {

struct Metrics {
  explicit Metrics(prometheus::Registry& registry);

  std::array<prometheus::Gauge*, kLinkStates> links;  // drover_links{state}
  prometheus::Counter& tries;                         // drover_link_tries_total
};

}  // namespace drover::fleet
