// Changes that are made one after the other, each when the store has answered the one before.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace drover::identity {

// Held by a change until it is over: when the last copy goes, the next change begins.
using Turn = std::shared_ptr<void>;

// Any thread. Turns do not keep it alive: who holds one must.
class Turns {
 public:
  // Calls `change` at once, or as soon as those before it have given up their turns, on whichever thread the
  // last of them did.
  void take(std::function<void(Turn)> change);

 private:
  void go_on();
  void give_up();

  std::mutex mutex_;
  std::deque<std::function<void(Turn)>> waiting_;
  bool taken_ = false;
  bool starting_ = false;  // go_on() is inside a change; what ends meanwhile is seen when it comes back
  bool ended_ = false;
};

}  // namespace drover::identity
