// Which of the other nodes are silent, by this one's own clock. By the database's alone, every lease would
// seem to be over when that clock is set forward.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "store/postgres/node_rows.h"

namespace drover::store::postgres {

class Heartbeats {
 public:
  // News that came at `now`: nodes that are gone are forgotten.
  void look(const std::vector<OtherNode>& others, SteadyTime now);
  // Its lease is over and it has not renewed it, as far as was seen, for as long as it may trust it: it
  // begins nothing any more.
  bool silent(const OtherNode& other, SteadyTime now) const;

 private:
  struct Beat {
    std::int64_t expires_us = 0;
    SteadyTime seen_at;  // first
  };
  std::unordered_map<std::int64_t, Beat> beats_;  // by epoch
};

}  // namespace drover::store::postgres
