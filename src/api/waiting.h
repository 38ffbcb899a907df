// Requests that wait for a task to end.
#pragma once

#include <functional>
#include <list>
#include <unordered_map>
#include <utility>

#include "base/loop.h"
#include "base/timer_wheel.h"
#include "http/message.h"
#include "task/live_task.h"

namespace drover::api {

// A waiting request costs a timer and a place in a list; however many wait for a task, and however often, the
// task knows but one of them. Who has gone away is forgotten within a second.
class Waiting {
 public:
  // Makes the answer from the task as it then is.
  using Render = http::Response (*)(const task::LiveTaskPtr&);

  // Brings a task up to date, which has not ended, and calls back from any thread.
  using Refresh = std::function<void(const task::LiveTaskPtr&, std::function<void()>)>;

  // Rendering and answering happen on `loop`. Destroyed after that loop and the engine's have stopped.
  Waiting(Loop& loop, Refresh refresh)
      : loop_(loop), refresh_(std::move(refresh)), sweep_([this] { drop_done(); }) {}

  // Any thread. Answers when every job of the task has ended, at the latest after `patience`.
  void answer(task::LiveTaskPtr task, Millis patience, http::Responder respond, Render render);

  // Any thread. Answers all who wait, with what there is, and lets nobody wait from then on.
  void stop();

 private:
  struct Waiter {
    Waiter(Waiting& all, const task::LiveTaskPtr& task, http::Responder respond, Render render);
    void answer();
    void answer(http::Response response);

    Waiting& all;
    const task::LiveTaskPtr& task;  // the entry's
    http::Responder respond;
    Render render;
    bool answered = false;
    Timer patience;
  };
  struct Entry {
    task::LiveTaskPtr task;
    std::list<Waiter> waiters;
  };

  void add(const task::LiveTaskPtr& task, Millis patience, http::Responder respond, Render render);
  void finished(const task::LiveTask* task);
  void drop_done();
  void answer_refreshed(const task::LiveTaskPtr& task, http::Responder respond, Render render);

  Loop& loop_;
  Refresh refresh_;
  // The loop's thread only. A task stays until it ends, also when nobody waits for it any more: it was asked
  // to tell.
  std::unordered_map<const task::LiveTask*, Entry> entries_;
  Timer sweep_;  // armed while anybody waits
  bool stopped_ = false;
};

}  // namespace drover::api
