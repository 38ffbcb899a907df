// What all copies of a Responder share.
#pragma once

#include <atomic>
#include <memory>

#include "http/message.h"

namespace drover::http {

class Connection;

struct Responder::Sink {
  explicit Sink(std::shared_ptr<Connection> to) : connection(std::move(to)) {}
  ~Sink();

  std::shared_ptr<Connection> connection;
  std::atomic<bool> answered{false};  // or given to the filter
  Responder::Filter filter;
  bool filtered = false;  // this is a filter's `next`
  std::shared_ptr<const void> held;
};

}  // namespace drover::http
