// How a connection reads its requests and gives them to their handlers.
#include <spdlog/spdlog.h>
#include <strings.h>

#include <utility>

#include "http/connection.h"
#include "http/responder.h"

namespace drover::http {
namespace {

bool asks_to_continue(std::string_view expectation) {
  constexpr std::string_view kContinue = "100-continue";
  return expectation.size() == kContinue.size() &&
         strncasecmp(expectation.data(), kContinue.data(), kContinue.size()) == 0;
}

}  // namespace

bool Connection::read_request() {
  if (!unparsed_) return receive();
  if (turn_is_over()) return let_others_in();
  unparsed_ = false;
  switch (exchange_->parse()) {
    case Exchange::Step::kMore:
      return charge_body() ? receive() : true;
    case Exchange::Step::kHead:
      head_arrived();
      break;
    case Exchange::Step::kComplete:
      if (charge_body()) dispatch();
      break;
    case Exchange::Step::kBad:
      refuse_early(exchange_->refusal().status, exchange_->refusal().message);
      break;
  }
  return true;
}

bool Connection::receive() {
  if (!readable_) return wait_for_input();
  begin_exchange();
  if (!exchange_->begun()) began_ = now_;

  const Transport::Received got = transport_.receive(exchange_->space());
  exchange_->commit(got.size);
  switch (got.status) {
    case Transport::Status::kOk:
      worker_.shared().metrics.received.Increment(static_cast<double>(got.size));
      readable_ = got.more || half_closed_;  // only the end might have been reported already
      unparsed_ = true;
      break;
    case Transport::Status::kEnded:
      readable_ = false;
      input_ended();
      break;
    case Transport::Status::kAgain:
      readable_ = false;
      break;
    case Transport::Status::kFailed:
      close();
      break;
  }
  return true;
}

void Connection::begin_exchange() {
  if (exchange_) return;
  exchange_ = worker_.take_exchange();
  exchange_->set_peer(peer_, local_, transport_.secured());
}

bool Connection::wait_for_input() {
  if (!begun()) {
    release_exchange();
  } else if (!exchange_->head_done()) {
    if (timed_ != Timed::kHead) expect_before(began_ + worker_.options().header_timeout);
    timed_ = Timed::kHead;
  } else {
    if (timed_ != Timed::kBody) expect_before(now_ + worker_.options().body_timeout);
    timed_ = Timed::kBody;
  }
  return false;
}

void Connection::input_ended() {
  if (!begun()) return close();
  refuse_early(400, "the request ended early");
}

void Connection::head_arrived() {
  unparsed_ = true;  // the body, if only to learn that there is none
  if (!exchange_->has_request_id()) exchange_->set_request_id(worker_.make_request_id());
  const Route* route = find_route();
  if (!route) return;
  exchange_->set_route(*route);
  exchange_->set_max_body(route->options.max_body);
  const std::size_t max_body = route->options.max_body;
  if (exchange_->content_length() > max_body) {
    return refuse(413, "the body is too large: at most " + std::to_string(max_body) + " bytes");
  }
  if (exchange_->body_is_large()) {
    if (route->options.refuse_early) {
      if (auto refusal = route->options.refuse_early(*exchange_)) return refuse(std::move(*refusal));
    }
    const Shared& shared = worker_.shared();
    if (shared.body_bytes + exchange_->content_length() > shared.options.body_memory) {
      return refuse(503, "the server is receiving as many large bodies as it may");
    }
  }
  if (exchange_->expect()) heed_expectation();
}

// Counts what the body takes. False if that is too much, and the request was refused.
bool Connection::charge_body() {
  const std::size_t size = exchange_->body_memory();
  if (size <= body_charge_) return true;
  Shared& shared = worker_.shared();
  shared.body_bytes += size - body_charge_;
  body_charge_ = size;
  if (shared.body_bytes <= shared.options.body_memory) return true;
  refuse_early(503, "the server is receiving as many large bodies as it may");
  exchange_->drop_body();
  release_body();
  return false;
}

void Connection::release_body() { worker_.shared().body_bytes -= std::exchange(body_charge_, 0); }

const Route* Connection::find_route() {
  const Router::Impl::Node* node = exchange_->route(worker_.shared().router);
  if (!node) {
    refuse(404, "there is no such path");
    return nullptr;
  }
  const auto method = routed_method(exchange_->verb());
  const Route* route = method ? node->routes[static_cast<std::size_t>(*method)] : nullptr;
  if (!route) {
    route_ = node->any().index;
    refuse(405, "the path does not take this method", node->allow());
    return nullptr;
  }
  route_ = route->index;
  return route;
}

void Connection::heed_expectation() {
  if (!asks_to_continue(*exchange_->expect())) return refuse(417, "only 100-continue may be expected");
  // A client that has begun to send its body does not wait.
  if (!exchange_->http11() || exchange_->body_is_here() || !exchange_->body_not_begun()) return;
  continuing_ = true;
  exchange_->answer_head = "HTTP/1.1 100 Continue\r\n\r\n";
  send_body_ = false;
  sent_ = 0;
  phase_ = Phase::kWriting;
}

void Connection::dispatch() {
  phase_ = Phase::kHandling;
  in_handler_ = true;
  worker_.set_in_handler(true);
  try {
    const Handler& handler = worker_.shared().router.routes[route_]->handler;
    handler(*exchange_, Responder(std::make_shared<Responder::Sink>(shared_from_this())));
  } catch (...) {
    // Its Responder goes with it, which makes the answer a 500.
    spdlog::error("HTTP handler of {} threw an exception, request {}",
                  worker_.shared().router.routes[route_]->pattern, exchange_->request_id());
  }
  worker_.set_in_handler(false);
  in_handler_ = false;
  if (body_charge_ > 0 && !worker_.shared().router.routes[route_]->options.keep_body) {
    exchange_->drop_body();
    release_body();
  }
}

}  // namespace drover::http
