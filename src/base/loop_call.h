// Work on a loop's thread that somebody else waits for.
#pragma once

#include <functional>

namespace drover {

class Loop;

// Runs `fn` on the loop's thread and returns when it has. Not from that thread; the loop must be running.
void call_on(Loop& loop, const std::function<void()>& fn);

}  // namespace drover
