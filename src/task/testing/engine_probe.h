// For tests: looks inside the engine, where a leak would not be seen from outside.
#pragma once

#include <prometheus/gauge.h>

#include <string>

#include "task/engine_impl.h"

namespace drover::task {

class EngineProbe {
 public:
  // What the engine still holds though no task is open, as words; empty: nothing. Its loop only.
  static std::string held(const Engine& engine) {
    const auto& inside = dynamic_cast<const EngineImpl&>(engine);
    std::string held;
    const auto expect = [&](bool nothing, const char* what) {
      if (!nothing) held.append(held.empty() ? "" : ", ").append(what);
    };
    expect(inside.open_.empty(), "open tasks");
    expect(inside.admission_.empty(), "places in the queue");
    expect(inside.running_ == 0, "running jobs");
    expect(inside.metrics_.open.Value() == 0, "drover_jobs_open");
    expect(inside.metrics_.running.Value() == 0, "drover_jobs_running");
    expect(inside.output_budget_.used() == 0, "output memory");
    expect(inside.begin_queue_.empty(), "turns to begin");
    expect(inside.turn_.empty() && inside.under_way_.empty(), "something to store");
    for (const Lane& lane : inside.lanes_) {
      expect(!lane.current, "a lane's current job");
      expect(lane.run == nullptr, "a lane's run");
      // Some that were refused may stay until the lane's next sweep.
      expect(lane.queue.size() <= JobQueue::kFirstSweep, "a lane's queue");
      expect(!JobQueue(lane.queue).pop(), "a waiting job");
    }
    return held;
  }
};

}  // namespace drover::task
