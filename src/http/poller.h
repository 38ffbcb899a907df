// Readiness of many sockets on one loop.
//
// A connection's life is one registration: edge-triggered, so that a request costs no further epoll_ctl, and
// no read that finds nothing. (Asio's own sockets pay one of the two for every request.) The sockets live in
// an epoll set of our own; the loop watches that set as one descriptor and is woken once for a whole batch.
#pragma once

#include <cstdint>
#include <memory>

#include "base/loop.h"

namespace drover::http {

class Poller {
 public:
  class Watcher {
   public:
    virtual ~Watcher() = default;
    // `events` as epoll reports them. May remove any watcher, and destroy any but itself.
    virtual void on_ready(std::uint32_t events) = 0;
  };

  // Must be destroyed before `loop` and after it stopped. False from good() if the process is out of
  // descriptors.
  explicit Poller(Loop& loop);
  ~Poller();
  bool good() const;

  // Once, before the loop's thread uses any of the following, and from that thread as they are.
  void start();
  // Events as for epoll; the caller owns `fd`. False if the kernel has no room.
  bool add(int fd, std::uint32_t events, Watcher& watcher);
  // Also makes the kernel report again what is true now.
  void modify(int fd, std::uint32_t events, Watcher& watcher);
  void remove(int fd, Watcher& watcher);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::http
