// Requests whose answers take the disk, or much time and memory to make: long lists, outputs, tasks that are
// no longer in memory. A few are under way at once, the others wait, projects take turns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/loop.h"
#include "http/message.h"

namespace drover::api {

class Reads {
 public:
  // What waits runs on `loop`. Destroyed after that loop has stopped; Responders may outlive it.
  explicit Reads(Loop& loop);
  ~Reads();

  // Any thread. Calls `start` when it is the request's turn, which lasts until `respond` is called: at once
  // on the caller's thread, or later on the loop. Answers 429 if too many of the project's wait, 503 if too
  // many of all do.
  void enter(std::int64_t project, const http::Responder& respond, std::function<void()> start);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace drover::api
