// Numbers for tasks, from a sequence of the database that counts by the sixteen.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "store/postgres/connection.h"
#include "store/store.h"

namespace drover::store::postgres {

// As long as no other node accepts tasks, this one draws in advance. Otherwise each time anew, so that a task
// which is accepted later, on whichever node, has the larger number.
class Numbers {
 public:
  // Belongs to the loop, but for take().
  Numbers(Loop& loop, Connection& connection) : loop_(loop), connection_(connection) {}

  // Any thread. Answers inside the call if there are some in stock, else on the loop.
  void take(std::uint32_t count, Done<std::vector<std::int64_t>> done);
  void set_alone(bool alone);

 private:
  using Taken = Done<std::vector<std::int64_t>>;

  // Empty: there are not so many.
  std::vector<std::int64_t> take_from_stock(std::uint32_t count);
  void draw(std::uint32_t count, Taken done);
  void fill_stock();
  void serve_waiting(const Result<>& filled);

  Loop& loop_;
  Connection& connection_;
  bool filling_ = false;
  std::deque<std::pair<std::uint32_t, Taken>> waiting_;  // for the stock

  std::mutex mutex_;
  bool alone_ = false;              // guarded by mutex_
  std::uint64_t times_ = 0;         // likewise: so often that changed
  std::deque<std::int64_t> stock_;  // likewise; empty unless alone
};

}  // namespace drover::store::postgres
