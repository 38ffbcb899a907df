#include "identity/turns.h"

#include <utility>

namespace drover::identity {

void Turns::take(std::function<void(Turn)> change) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(change));
    if (std::exchange(taken_, true)) return;
  }
  go_on();
}

// A loop, because changes that are refused end inside their call: any number of them needs no stack.
void Turns::go_on() {
  while (true) {
    std::function<void(Turn)> change;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        taken_ = false;
        return;
      }
      change = std::move(waiting_.front());
      waiting_.pop_front();
      starting_ = true;
      ended_ = false;
    }
    change(Turn(this, [](Turns* turns) { turns->give_up(); }));
    const std::lock_guard lock(mutex_);
    starting_ = false;
    if (!ended_) return;  // its end goes on from there
  }
}

void Turns::give_up() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (starting_) return;
  }
  go_on();
}

}  // namespace drover::identity
