#include "http/responder.h"

#include "http/connection.h"

namespace drover::http {

Responder::Sink::~Sink() {
  if (!answered.load(std::memory_order_relaxed)) connection->give_answer(std::nullopt);
}

void Responder::operator()(Response response) const {
  if (!sink_->answered.exchange(true, std::memory_order_relaxed))
    sink_->connection->give_answer(std::move(response));
}

bool Responder::abandoned() const { return sink_->connection->gone(); }

}  // namespace drover::http
