#include "http/responder.h"

#include "http/connection.h"

namespace drover::http {

Responder::Sink::~Sink() {
  if (!answered.load(std::memory_order_relaxed)) connection->give_answer(std::nullopt);
}

void Responder::operator()(Response response) const {
  if (sink_->answered.exchange(true, std::memory_order_relaxed)) return;
  // Not by a filter's `next`, whose thread may be one that nothing should hold up.
  if (!sink_->filtered) sink_->connection->compress_long(response);
  if (sink_->filter) return run_filter(std::move(response));
  sink_->connection->give_answer(std::move(response));
  sink_->held.reset();
}

void Responder::run_filter(Response response) const {
  auto next = std::make_shared<Sink>(sink_->connection);
  next->filtered = true;
  next->held = std::move(sink_->held);
  const Filter filter = std::exchange(sink_->filter, {});
  filter(std::move(response), Responder(std::move(next)));
}

void Responder::intercept(Filter filter) const { sink_->filter = std::move(filter); }

void Responder::hold(std::shared_ptr<const void> what) const { sink_->held = std::move(what); }

bool Responder::abandoned() const { return sink_->connection->gone(); }

}  // namespace drover::http
