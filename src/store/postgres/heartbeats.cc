#include "store/postgres/heartbeats.h"

#include <utility>

namespace drover::store::postgres {

void Heartbeats::look(const std::vector<OtherNode>& others, SteadyTime now) {
  const auto before = std::exchange(beats_, {});
  for (const OtherNode& other : others) {
    const auto known = before.find(other.epoch);
    const bool same = known != before.end() && known->second.expires_us == other.expires_us;
    beats_.emplace(other.epoch, same ? known->second : Beat{other.expires_us, now});
  }
}

bool Heartbeats::silent(const OtherNode& other, SteadyTime now) const {
  const auto beat = beats_.find(other.epoch);
  return beat != beats_.end() && other.left_ms <= 0 &&
         now - beat->second.seen_at >= kLeaseTime - kLeaseMargin;
}

}  // namespace drover::store::postgres
