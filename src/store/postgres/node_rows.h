// What a node asks the database about itself and the others, and what it is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/postgres/shard_map.h"
#include "store/postgres/unit.h"

namespace drover::store::postgres {

// How long a node is taken for alive after its last pulse.
inline constexpr Millis kLeaseTime{5'000};
// So much before the end of its lease, counted from before it asked for it, a node trusts it no more.
inline constexpr Millis kLeaseMargin{1'000};

// For a node that knows the schema of `version`. The last Rows have one row: the schema's version, and the
// epoch that was granted; NULL, and nothing is done, if the version is another.
Unit register_node(const std::string& node_id, const std::string& node_name, std::int64_t version);

// What a node wants to know each time.
struct Questions {
  std::int64_t epoch = 0;
  std::int64_t seen = 0;  // the version of the directory that it goes by; 0: it does not serve yet
  std::vector<std::int64_t> watched;     // tasks whose end somebody waits for
  std::vector<std::int64_t> cancelling;  // tasks that it wants all others to have cancelled
  std::vector<std::int64_t> full;        // projects of which it takes no more jobs; 0: of none
  bool leaving = false;                  // it is about to stop
  bool renew = true;                     // else its lease is left to end
};

struct OtherNode {
  std::int64_t epoch = 0;
  std::string name;
  std::int64_t seen = 0;        // 0: it does not serve yet
  std::int64_t expires_us = 0;  // its lease, by the database's clock
  std::int64_t left_ms = 0;     // of it; 0 or less: it is over
  bool leaving = false;
  std::vector<std::int64_t> full;  // as in Questions
};

struct CancelParcel {
  std::int64_t id = 0;
  std::int64_t task = 0;
};

struct News {
  bool lost = false;  // this node's row is gone
  std::vector<OtherNode> others;
  std::int64_t clock_ms = 0;    // the database's
  std::int64_t directory = 0;   // its version
  std::int64_t identities = 0;  // the version in which they changed last
  std::int64_t instances = 0;   // likewise
  ShardMap map;
  bool inbox = false;  // tasks were sent to this node
  std::vector<CancelParcel> cancels;
  std::vector<std::int64_t> finished;   // of those watched
  std::vector<std::int64_t> cancelled;  // of those that were to be cancelled: everybody has
};

// Renews the lease, unless told not to, and asks all of it, in one round trip.
Unit pulse(const Questions& questions);
News news_of(const std::vector<Rows>& rows);

}  // namespace drover::store::postgres
