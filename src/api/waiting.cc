#include "api/waiting.h"

#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace drover::api {
namespace {

constexpr Millis kSweepPause{1000};

http::Response shared(http::Response response) {
  if (response.shared_body) return response;
  response.shared_body = std::make_shared<const std::string>(std::move(response.body));
  response.body.clear();
  return response;
}

}  // namespace

Waiting::Waiter::Waiter(Waiting& whole, const task::LiveTaskPtr& what, http::Responder to, Render how)
    : all(whole), task(what), respond(std::move(to)), render(how), patience([this] { answer(); }) {}

void Waiting::Waiter::answer() {
  if (!std::exchange(answered, true)) all.answer_refreshed(task, respond, render);
}

void Waiting::Waiter::answer(http::Response response) {
  if (!std::exchange(answered, true)) respond(std::move(response));
}

void Waiting::answer(task::LiveTaskPtr task, Millis patience, http::Responder respond, Render render) {
  loop_.post([this, task = std::move(task), patience, respond = std::move(respond), render] {
    add(task, patience, respond, render);
  });
}

// With what other nodes have stored of it until now.
void Waiting::answer_refreshed(const task::LiveTaskPtr& task, http::Responder respond, Render render) {
  if (task->finished() || stopped_) return respond(render(task));
  refresh_(task, [this, task, respond = std::move(respond), render] {
    loop_.post([task, respond, render] { respond(render(task)); });
  });
}

void Waiting::stop() {
  loop_.post([this] {
    stopped_ = true;
    for (auto& [key, entry] : entries_) {
      for (Waiter& waiter : entry.waiters) waiter.answer();
    }
  });
}

void Waiting::add(const task::LiveTaskPtr& task, Millis patience, http::Responder respond, Render render) {
  if (stopped_ || patience <= Millis::zero() || task->finished()) return respond(render(task));
  const auto [it, first] = entries_.try_emplace(task.get());
  Entry& entry = it->second;
  if (first) {
    entry.task = task;
    task->when_finished([this, key = task.get()] { loop_.post([this, key] { finished(key); }); });
  }
  Waiter& waiter = entry.waiters.emplace_back(*this, entry.task, std::move(respond), render);
  loop_.schedule(waiter.patience, patience);
  if (!sweep_.armed()) loop_.schedule(sweep_, kSweepPause);
}

void Waiting::finished(const task::LiveTask* task) {
  const auto it = entries_.find(task);
  if (it == entries_.end()) return;
  // However many wait, a long answer is made once.
  std::map<Render, http::Response> made;
  for (Waiter& waiter : it->second.waiters) {
    if (waiter.answered) continue;
    const auto [answer, first] = made.try_emplace(waiter.render);
    if (first) answer->second = shared(waiter.render(it->second.task));
    waiter.answer(answer->second);
  }
  entries_.erase(it);
}

// A timer must not destroy itself, so that who ran out of patience is dropped here, together with who went
// away.
void Waiting::drop_done() {
  bool anybody = false;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    entry.waiters.remove_if(
        [](const Waiter& waiter) { return waiter.answered || waiter.respond.abandoned(); });
    anybody = anybody || !entry.waiters.empty();
    // A task that nobody else holds cannot end any more.
    const bool orphan = entry.waiters.empty() && entry.task.use_count() == 1;
    it = orphan ? entries_.erase(it) : std::next(it);
  }
  if (anybody) loop_.schedule(sweep_, kSweepPause);
}

}  // namespace drover::api
