// Many descriptors on one loop, a batch of events at a time.
//
// An epoll of its own inside the loop's: an event costs one read of its descriptor and no second one that
// finds nothing, and all events of a turn can be answered together, which is what the journal needs.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"

namespace drover {
class Loop;
}

namespace drover::sim {

class Pollable {
 public:
  // `events`: EPOLLIN and so on.
  virtual void on_poll(std::uint32_t events) = 0;

 protected:
  ~Pollable() = default;
};

// Belongs to the loop's thread.
class Poller {
 public:
  virtual ~Poller() = default;

  // `end_of_turn` runs after each batch of events, and after request_turn().
  static Result<std::unique_ptr<Poller>> create(Loop& loop, std::function<void()> end_of_turn);

  // Level-triggered. EPOLLHUP and EPOLLERR are always reported. False if the kernel refuses.
  virtual bool add(int fd, std::uint32_t events, Pollable& pollable) = 0;
  virtual void change(int fd, std::uint32_t events, Pollable& pollable) = 0;
  // Before the descriptor is closed. An event that was taken from the kernel already may still be delivered.
  virtual void remove(int fd) = 0;

  // Keeps `thing` until no event can be delivered to it any more.
  virtual void bury(std::shared_ptr<void> thing) = 0;

  // Outside of a batch: lets end_of_turn run soon.
  virtual void request_turn() = 0;
};

}  // namespace drover::sim
