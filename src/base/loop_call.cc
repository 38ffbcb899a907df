#include "base/loop_call.h"

#include <future>

#include "base/loop.h"

namespace drover {

void call_on(Loop& loop, const std::function<void()>& fn) {
  std::promise<void> done;
  loop.post([&] {
    fn();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace drover
