// A connection with settings of its own, whose first success or failure somebody waits for.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "store/postgres/connection.h"

namespace drover::store::postgres {

// Belongs to its loop, like the connection.
class Link final : public ConnectionEvents {
 public:
  enum class Kind {
    kLease,
    kWriter,
    kReader,  // its units read one state of the database each, and change nothing
  };

  Link(Loop& loop, const std::string& conninfo, const std::string& name, Kind kind);

  // `first` is called once: connected, or why the first attempt failed.
  void start(std::function<void(Result<>)> first);
  // Called at each later change.
  std::function<void()> came_up;
  std::function<void(const Error&)> went_down;

  Connection& connection() { return connection_; }

 private:
  void on_up() override;
  void on_down(const Error& why) override;

  Kind kind_;
  std::function<void(Result<>)> first_;
  Connection connection_;
};

}  // namespace drover::store::postgres
