// One running server: every room, built in order and taken down in the reverse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/config.h"
#include "identity/views.h"

namespace drover::cli {

// How many phones a server with so many descriptors keeps links to, connections of clients having their part.
std::size_t phones_for(const Config& config, std::size_t descriptors);

// Made, used and destroyed by one thread. Its data folder must be there.
class Node {
 public:
  // Serves when it returns. `descriptors`: how many this process may have open; connections of clients get a
  // part, phones the rest. `about_to_work`: called when all is prepared, and before anything is that a stop
  // would have to end in order. A failure says what could not be opened; everything is taken down again.
  static Result<std::unique_ptr<Node>> start(const Config& config, std::size_t descriptors,
                                             const std::function<void()>& about_to_work = {});
  // Stops, if stop() was not called.
  virtual ~Node() = default;

  virtual std::uint16_t port() const = 0;
  // As many as there were at the start.
  virtual std::size_t instances() const = 0;
  // If this start made one: who may administer it, with the password unless that came from a file. To be
  // shown and not kept.
  virtual const std::optional<identity::FirstAdministrator>& first_administrator() const = 0;

  // Any thread: another server has taken over the database. This one can do nothing any more but stop.
  virtual bool lost() const = 0;
  // Once it is lost: the server that has a copy of this one's data folder, and came by that; else empty.
  virtual std::string lost_to() const = 0;

  // Takes no more tasks and begins no more jobs; /readyz answers 503. `done` comes from another thread, when
  // the last running job has ended.
  virtual void drain(std::function<void()> done) = 0;
  // Ends everything. Jobs that still run are found as interrupted by the next start.
  virtual void stop() = 0;
};

}  // namespace drover::cli
