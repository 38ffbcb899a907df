#include "http/responder.h"

#include "http/connection.h"

namespace drover::http {

Responder::Sink::~Sink() {
  if (!answered.load(std::memory_order_relaxed)) connection->give_answer(std::nullopt);
}

void Responder::operator()(Response response) const {
  if (sink_->answered.exchange(true, std::memory_order_relaxed)) return;
  sink_->connection->give_answer(std::move(response));
  sink_->held.reset();
}

void Responder::hold(std::shared_ptr<const void> what) const { sink_->held = std::move(what); }

bool Responder::abandoned() const { return sink_->connection->gone(); }

}  // namespace drover::http
