// The lease by which one node alone writes to a database: a row of `node` with an end, renewed while the
// process lives.
//
// What keeps a node that was taken for dead from harm is not the clock but the row: every write unit holds it
// (see writer.h), and who takes over deletes it first. So a job's beginning is stored under the lease, and a
// node that was paused for long may send a late command, but never one that another has sent or will send.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/loop.h"
#include "store/postgres/connection.h"

namespace drover::store::postgres {

inline constexpr Millis kLeaseTime{5'000};
inline constexpr Millis kRenewEvery{1'000};

// Asks for the lease; one that a node of the same id has left behind goes. The answer has a row: the epoch
// that was granted, or 0 and the name of who has it.
Unit take_lease(const std::string& node_id, const std::string& node_name);

// Belongs to its loop.
class Lease {
 public:
  // `lost` is called once, when the row is gone.
  Lease(Loop& loop, Connection& connection, std::int64_t epoch, std::function<void()> lost);

  // Gives the lease back, so that the next node need not wait, and calls `done`, also if that failed.
  void release(std::function<void()> done);

  std::int64_t epoch() const { return epoch_; }

 private:
  void renew();

  Loop& loop_;
  Connection& connection_;
  const std::int64_t epoch_;
  std::function<void()> lost_;
  bool under_way_ = false;
  Timer timer_;
};

}  // namespace drover::store::postgres
