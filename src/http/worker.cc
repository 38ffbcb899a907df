#include "http/worker.h"

#include <iterator>

#include "http/connection.h"

namespace drover::http {
namespace {

// Buffers kept for requests to come, about 24 KiB each.
constexpr std::size_t kSpareExchanges = 128;

}  // namespace

void Shared::opened(bool beyond) {
  ++open;
  if (beyond) ++over_limit;
  metrics.connections.Increment();
}

void Shared::closed(bool beyond) {
  if (beyond) --over_limit;
  metrics.connections.Decrement();
  if (--open > 0) return;
  const std::lock_guard lock(mutex_);
  none_.notify_all();
}

bool Shared::wait_until_none(Millis patience) {
  std::unique_lock lock(mutex_);
  return none_.wait_for(lock, patience, [this] { return open == 0; });
}

Worker::Worker(Shared& shared, const char* thread_name)
    : shared_(shared),
      thread_(shared.clock, thread_name),
      poller_(thread_.loop()),
      mailbox_(std::make_shared<Mailbox>(thread_.loop())),
      dates_(shared.clock),
      requests_(shared.metrics),
      log_(shared.options.access_log) {
  if (!good()) return;
  loop().post([this] {
    mailbox_->adopt_thread();
    poller_.start();
  });
}

Worker::~Worker() = default;

void Worker::adopt(Accepted socket) {
  auto connection = std::make_shared<Connection>(*this, std::move(socket), connections_.size());
  connections_.push_back(connection);
  connection->start();
}

void Worker::drain() {
  draining_ = true;
  // Closing one moves another into its place.
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->drain();
}

void Worker::close_all() {
  draining_ = true;
  while (!connections_.empty()) connections_.back()->close();
}

std::unique_ptr<Exchange> Worker::take_exchange() {
  if (spare_.empty()) return std::make_unique<Exchange>(options().max_header);
  auto exchange = std::move(spare_.back());
  spare_.pop_back();
  return exchange;
}

void Worker::give_back(std::unique_ptr<Exchange> exchange) {
  if (spare_.size() >= kSpareExchanges) return;
  exchange->clear();
  spare_.push_back(std::move(exchange));
}

void Worker::record(std::size_t route, Verb verb, const AccessEntry& entry) {
  requests_.count(route, verb, entry.status, std::chrono::duration<double>(entry.duration).count());
  shared_.metrics.sent.Increment(static_cast<double>(entry.bytes));
  log_.write(entry);
}

Worker::SlowReaders::iterator Worker::add_slow_reader(Connection& connection, std::size_t bytes) {
  slow_readers_.push_back(&connection);
  const auto place = std::prev(slow_readers_.end());
  shared_.answer_bytes += bytes;
  while (shared_.answer_bytes > options().answer_memory && slow_readers_.front() != &connection) {
    shared_.metrics.slow_readers_closed.Increment();
    slow_readers_.front()->cut_off();
  }
  return place;
}

void Worker::remove_slow_reader(SlowReaders::iterator reader, std::size_t bytes) {
  slow_readers_.erase(reader);
  shared_.answer_bytes -= bytes;
}

void Worker::forget(Connection& connection) {
  const std::size_t place = connection.place();
  auto kept = std::move(connections_[place]);
  if (place + 1 < connections_.size()) {
    connections_[place] = std::move(connections_.back());
    connections_[place]->set_place(place);
  }
  connections_.pop_back();
  // It may be in the middle of a call.
  forgotten_.push_back(std::move(kept));
  if (forgotten_.size() == 1) {
    loop().post([this] { forgotten_.clear(); });
  }
}

}  // namespace drover::http
