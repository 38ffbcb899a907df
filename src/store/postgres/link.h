// A connection with settings of its own, whose first success or failure somebody waits for.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "store/postgres/connection.h"

namespace drover::store::postgres {

// By which nodes tell each other that there is something to be seen.
inline constexpr char kChannel[] = "drover";

// What waits for another's lock in front of a renewal may cost the lease. So a lease's connection does not
// wait long, but for what comes before there is anything to lose.
inline constexpr char kHurriedly[] = "SET lock_timeout = '1s'";
inline constexpr char kPatiently[] = "SET LOCAL lock_timeout = '3s'";

// Belongs to its loop, like the connection.
class Link final : public ConnectionEvents {
 public:
  enum class Kind {
    kLease,  // listens to kChannel
    kWriter,
    kReader,  // its units read one state of the database each, and change nothing
  };

  Link(Loop& loop, const std::string& conninfo, const std::string& name, Kind kind);

  // `first` is called once: connected, or why the first attempt failed.
  void start(std::function<void(Result<>)> first);
  // Called at each later change.
  std::function<void()> came_up;
  std::function<void(const Error&)> went_down;
  // Of a lease's: what nodes say on kChannel, this one included.
  std::function<void(const std::string& payload)> noticed;

  Connection& connection() { return connection_; }
  // Any thread.
  bool up() const { return up_.load(std::memory_order_acquire); }

 private:
  void on_up() override;
  void on_down(const Error& why) override;
  void on_notice(const std::string& channel, const std::string& payload) override;

  Kind kind_;
  std::atomic<bool> up_ = false;
  std::function<void(Result<>)> first_;
  Connection connection_;
};

}  // namespace drover::store::postgres
