// Answers given on other threads, on their way to the thread of the connection.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/loop.h"
#include "http/message.h"

namespace drover::http {

class Connection;

// An answer, or, if nothing, that nobody will give one.
struct Letter {
  std::shared_ptr<Connection> to;
  std::optional<Response> response;
};

// One a thread of the server. Outlives it, since a Responder may be called at any time: what comes after
// close() is dropped. Many answers cost the loop one wake-up.
class Mailbox {
 public:
  explicit Mailbox(Loop& loop) : loop_(&loop) {}

  // Any thread.
  void put(Letter letter);
  // After the loop has stopped, and before it is destroyed.
  void close();

  // The loop's thread says once that this mailbox is its own; answers given there need not travel.
  void adopt_thread();
  bool is_own_thread() const;

 private:
  void deliver();

  std::mutex mutex_;
  Loop* loop_;                   // guarded by mutex_
  std::vector<Letter> waiting_;  // guarded by mutex_
  std::vector<Letter> reading_;  // the loop's thread only
};

}  // namespace drover::http
