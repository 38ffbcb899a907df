#include "api/reads.h"

#include <spdlog/spdlog.h>

#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "api/answer.h"

namespace drover::api {
namespace {

// Enough to keep the disk, the engine and the API's thread busy at the same time; each may hold the outcomes
// of a task of 100,000 jobs.
constexpr unsigned kAtOnce = 16;
constexpr std::size_t kMostWaiting = 4'096;
constexpr std::size_t kMostWaitingOfProject = 1'024;

}  // namespace

struct Reads::State : std::enable_shared_from_this<State> {
  struct Request {
    http::Responder respond;
    std::function<void()> start;
  };

  explicit State(Loop& on) : loop(&on) {}

  void begin(const Request& request) {
    request.respond.hold(
        std::shared_ptr<const void>(this, [self = shared_from_this()](const void*) { self->ended(); }));
    try {
      request.start();
    } catch (const std::exception& error) {
      // Its Responder goes with it, which makes the answer a 500. Not so on the loop, which nobody guards.
      spdlog::error("a request that waited for its turn failed: {}", error.what());
    }
  }

  // Its turn goes to the next, which must not run here: this may be any thread, inside of anything.
  void ended() {
    const std::lock_guard lock(mutex);
    if (turns.empty() || loop == nullptr) {
      --under_way;
    } else {
      loop->post([self = shared_from_this()] { self->begin_next(); });
    }
  }

  void begin_next() {
    while (auto next = pop()) {
      if (!next->respond.abandoned()) return begin(*next);
    }
  }

  // Nothing: then there is one less under way.
  std::optional<Request> pop() {
    const std::lock_guard lock(mutex);
    if (turns.empty()) {
      --under_way;
      return std::nullopt;
    }
    const std::int64_t project = turns.front();
    turns.pop_front();
    const auto queue = waiting.find(project);
    Request next = std::move(queue->second.front());
    queue->second.pop_front();
    --all_waiting;
    if (queue->second.empty()) {
      waiting.erase(queue);
    } else {
      turns.push_back(project);
    }
    return next;
  }

  std::mutex mutex;
  Loop* loop;  // null: it has stopped
  unsigned under_way = 0;
  std::size_t all_waiting = 0;
  std::unordered_map<std::int64_t, std::deque<Request>> waiting;  // by project
  std::deque<std::int64_t> turns;  // projects that have some waiting, each once
};

Reads::Reads(Loop& loop) : state_(std::make_shared<State>(loop)) {}

Reads::~Reads() {
  std::unordered_map<std::int64_t, std::deque<State::Request>> dropped;
  const std::lock_guard lock(state_->mutex);
  state_->loop = nullptr;
  state_->turns.clear();
  dropped.swap(state_->waiting);
}

void Reads::enter(std::int64_t project, const http::Responder& respond, std::function<void()> start) {
  State& state = *state_;
  State::Request request{respond, std::move(start)};
  std::unique_lock lock(state.mutex);
  if (state.under_way < kAtOnce) {
    ++state.under_way;
    lock.unlock();
    return state.begin(request);
  }
  if (state.all_waiting >= kMostWaiting) {
    lock.unlock();
    return respond(refuse({503, code::kInternal, "too many requests wait for the disk"}));
  }
  auto& queue = state.waiting[project];
  if (queue.size() >= kMostWaitingOfProject) {
    lock.unlock();
    return respond(
        refuse({429, code::kTooManyRequests, "too many of this project's requests wait for the disk"}));
  }
  if (queue.empty()) state.turns.push_back(project);
  queue.push_back(std::move(request));
  ++state.all_waiting;
}

}  // namespace drover::api
