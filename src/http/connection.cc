#include "http/connection.h"

#include <spdlog/spdlog.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "http/responder.h"

namespace drover::http {
namespace {

constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;
// A client that always has more to send lets others in after this many reads and requests.
constexpr unsigned kStepsPerTurn = 8;
constexpr Millis kLingerFor{2'000};
// A client that is refused because of overload and asks again at once is not heard before this: else refusing
// takes the time that the work of others needs.
constexpr Millis kRest{100};
// A client that takes less of an answer than this within the write timeout has stopped reading.
constexpr std::size_t kLeastTaken = 16 * 1024;
// nginx's number for "the client closed its connection"; in log and metrics only.
constexpr unsigned kClientGone = 499;

bool asks_to_continue(std::string_view expectation) {
  constexpr std::string_view kContinue = "100-continue";
  return expectation.size() == kContinue.size() &&
         strncasecmp(expectation.data(), kContinue.data(), kContinue.size()) == 0;
}

}  // namespace

Connection::Connection(Worker& worker, Accepted socket, std::size_t place)
    : worker_(worker),
      mailbox_(worker.mailbox()),
      place_(place),
      fd_(socket.fd),
      local_(socket.local),
      over_limit_(socket.over_limit),
      peer_(std::move(socket.peer)),
      route_(worker.shared().metrics.unmatched()),
      timer_([this] { time_passed(); }) {}

Connection::~Connection() = default;

void Connection::start() {
  if (worker_.draining() || !worker_.poller().add(fd_, kReadEvents, *this)) return close();
  now_ = worker_.now();
  expect_before(now_ + worker_.options().idle_timeout);
}

void Connection::turn_away() {
  if (worker_.draining() || !worker_.poller().add(fd_, kReadEvents, *this)) return close();
  began_ = now_ = worker_.now();
  exchange_ = worker_.take_exchange();
  exchange_->set_peer(peer_, local_);
  refuse_early(503, "there are too many connections");
  run();
}

void Connection::on_ready(std::uint32_t events) {
  const bool broken = events & (EPOLLERR | EPOLLHUP);
  now_ = worker_.now();
  if (broken && phase_ != Phase::kReading) return close();
  if (broken || (events & EPOLLRDHUP)) half_closed_ = true;
  if (half_closed_ || (events & EPOLLIN)) readable_ = true;
  if (waits_turn_) return;
  steps_ = 0;
  run();
}

void Connection::run() {
  for (;;) {
    switch (phase_) {
      case Phase::kReading:
        if (!read_request()) return;
        break;
      case Phase::kWriting:
        if (!write_answer()) return;
        break;
      case Phase::kLingering:
        if (!discard_input()) return;
        break;
      case Phase::kHandling:
      case Phase::kResting:
      case Phase::kClosed:
        return;
    }
  }
}

bool Connection::let_others_in() {
  if (std::exchange(waits_turn_, true)) return false;
  worker_.loop().post([self = shared_from_this()] {
    self->waits_turn_ = false;
    self->now_ = self->worker_.now();
    self->steps_ = 0;
    self->run();
  });
  return false;
}

// --- reading

// These, and write_answer() and discard_input(), return false when there is nothing to do before the next
// event.
bool Connection::read_request() {
  if (!unparsed_) return receive();
  if (++steps_ > kStepsPerTurn) return let_others_in();
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
  if (!exchange_) {
    exchange_ = worker_.take_exchange();
    exchange_->set_peer(peer_, local_);
  }
  if (!exchange_->begun()) began_ = now_;

  const std::span<char> space = exchange_->space();
  const ssize_t got = ::recv(fd_, space.data(), space.size(), 0);
  const auto size = static_cast<std::size_t>(got > 0 ? got : 0);
  exchange_->commit(size);
  if (got > 0) {
    worker_.shared().metrics.received.Increment(static_cast<double>(size));
    // Less than asked for: there is no more, and the next byte is reported. Only the end might have been
    // already.
    readable_ = size == space.size() || half_closed_;
    unparsed_ = true;
  } else if (got == 0) {
    readable_ = false;
    input_ended();
  } else if (errno == EAGAIN) {
    readable_ = false;
  } else if (errno != EINTR) {
    close();
  }
  return true;
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

// --- answering

void Connection::give_answer(std::optional<Response> response) {
  // One handler that answers another's request does so by mail: else a chain of such would nest without
  // bound.
  if (mailbox_->is_own_thread() && (in_handler_ || !worker_.in_handler())) {
    answer(std::move(response));
  } else {
    mailbox_->put({shared_from_this(), std::move(response)});
  }
}

void Connection::answer(std::optional<Response> response) {
  if (phase_ != Phase::kHandling) return;
  const bool usable = response && response->status >= 200 && response->status <= 599;
  set_answer(usable ? std::move(*response) : make_error(500, "the request could not be handled"));
  if (in_handler_) return;  // dispatch() was called by run(), which goes on
  now_ = worker_.now();
  steps_ = 0;
  run();
}

// A request that is refused once its header is known. If its body is still to come, the connection ends with
// it.
void Connection::refuse(unsigned status, std::string_view message, std::string allow) {
  Response response = make_error(status, message);
  if (!allow.empty()) response.headers.emplace_back("Allow", std::move(allow));
  refuse(std::move(response));
}

void Connection::refuse(Response response) {
  if (exchange_->body_is_here()) {
    exchange_->parse();
  } else {
    unread_ = true;
  }
  set_answer(std::move(response));
}

// A request that is refused before it is understood, or in the middle of its body.
void Connection::refuse_early(unsigned status, std::string_view message) {
  unread_ = true;
  if (!exchange_->has_request_id()) exchange_->set_request_id(worker_.make_request_id());
  set_answer(make_error(status, message));
}

Response Connection::make_error(unsigned status, std::string_view message) const {
  Response response;
  response.status = status;
  response.body = worker_.shared().router.error_body(status, message);
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

void Connection::set_answer(Response response) {
  response_ = std::move(response);
  keep_ = exchange_->keep_alive() && !unread_ && !worker_.draining();
  send_body_ = exchange_->verb() != Verb::kHead && may_have_body(response_.status);
  const auto said = exchange_->http11() ? KeepAlive::kSilent : KeepAlive::kSaid;
  exchange_->answer_head.clear();
  append_head(exchange_->answer_head, response_, keep_ ? said : KeepAlive::kClose, worker_.date(now_),
              exchange_->request_id());
  sent_ = 0;
  phase_ = Phase::kWriting;
}

bool Connection::write_answer() {
  const std::string_view head = exchange_->answer_head;
  const std::string_view body = send_body_ ? body_of(response_) : std::string_view();
  while (sent_ < head.size() + body.size()) {
    const std::string_view head_left = head.substr(std::min(sent_, head.size()));
    const std::string_view body_left = body.substr(sent_ - std::min(sent_, head.size()));
    iovec parts[2] = {{const_cast<char*>(head_left.data()), head_left.size()},
                      {const_cast<char*>(body_left.data()), body_left.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = body_left.empty() ? 1 : 2;
    const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent > 0) {
      sent_ += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      wait_to_write();
      return false;
    } else if (errno != EINTR) {
      close();
      return true;
    }
  }
  answer_written();
  return true;
}

void Connection::wait_to_write() {
  if (!write_armed_ || sent_ - taken_ >= kLeastTaken) {
    taken_ = sent_;
    expect_before(now_ + worker_.options().write_timeout);
    if (write_armed_) worker_.slow_reader_took(slow_reader_);
  }
  if (write_armed_) return;
  write_armed_ = true;
  worker_.poller().modify(fd_, kReadEvents | EPOLLOUT, *this);
  answer_charge_ = send_body_ ? body_of(response_).size() : 0;
  slow_reader_ = worker_.add_slow_reader(*this, answer_charge_);
}

void Connection::stop_waiting_to_write() {
  if (!std::exchange(write_armed_, false)) return;
  worker_.remove_slow_reader(slow_reader_, answer_charge_);
}

void Connection::answer_written() {
  if (write_armed_) {
    stop_waiting_to_write();
    worker_.poller().modify(fd_, kReadEvents, *this);
  }
  if (continuing_) {
    continuing_ = false;
    phase_ = Phase::kReading;
    return;
  }
  now_ = worker_.now();
  record(response_.status);
  response_.shared_body.reset();
  std::string().swap(response_.body);  // assigning an empty one would keep the memory
  if (!keep_) {
    // Closing with unread input resets the connection, and the client may lose the answer.
    if (unread_ || readable_) return linger();
    phase_ = Phase::kReading;
    return close();
  }
  if (body_charge_ > 0) exchange_->drop_body();  // the next request may take its time
  exchange_->next();
  release_body();
  route_ = worker_.shared().metrics.unmatched();
  phase_ = needs_rest() ? Phase::kResting : Phase::kReading;
  unparsed_ = exchange_->begun();
  timed_ = Timed::kIdle;
  began_ = now_;
  expect_before(now_ + (phase_ == Phase::kResting ? kRest : worker_.options().idle_timeout));
  if (phase_ == Phase::kResting && !begun()) release_exchange();
}

bool Connection::needs_rest() const {
  return (response_.status == 503 || response_.status == 429) && !local_ && !worker_.draining();
}

void Connection::record(unsigned status) {
  AccessEntry entry;
  entry.method = exchange_->method_text();
  entry.path = exchange_->path();
  entry.status = status;
  entry.bytes = sent_;
  entry.duration = now_ - began_;
  entry.request_id = exchange_->request_id();
  entry.peer = peer_;
  worker_.record(route_, exchange_->verb(), entry);
}

// --- the end

void Connection::linger() {
  release_exchange();
  ::shutdown(fd_, SHUT_WR);
  release_body();
  phase_ = Phase::kLingering;
  expect_before(now_ + kLingerFor);
}

bool Connection::discard_input() {
  char scratch[16 * 1024];
  if (!readable_) return false;
  if (++steps_ > kStepsPerTurn) return let_others_in();
  const ssize_t got = ::recv(fd_, scratch, sizeof(scratch), 0);
  if (got > 0) {
    readable_ = static_cast<std::size_t>(got) == sizeof(scratch) || half_closed_;
  } else if (got < 0 && errno == EAGAIN) {
    readable_ = false;
    if (!unread_) close();  // there was nothing to wait for
  } else if (got == 0 || errno != EINTR) {
    close();
  }
  return true;
}

void Connection::cut_off() {
  reset_at_close();
  close();
}

void Connection::drain() {
  if ((phase_ == Phase::kReading || phase_ == Phase::kResting) && !begun()) close();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  const bool handling = phase_ == Phase::kHandling;
  if (handling || (phase_ == Phase::kWriting && !continuing_)) record(kClientGone);
  phase_ = Phase::kClosed;
  gone_ = true;
  timer_.cancel();
  stop_waiting_to_write();
  release_body();
  worker_.poller().remove(fd_, *this);
  ::close(std::exchange(fd_, -1));
  (void)std::exchange(response_, {});
  if (!handling) release_exchange();
  worker_.shared().closed(over_limit_);
  worker_.forget(*this);
}

// Else the kernel would keep what the client does not take, for minutes.
void Connection::reset_at_close() {
  const ::linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void Connection::release_exchange() {
  if (exchange_) worker_.give_back(std::move(exchange_));
}

// --- time

// The timer is not moved for each request: it fires at its time, sees that there is a later deadline, and
// goes on.
void Connection::expect_before(SteadyTime deadline) {
  deadline_ = deadline;
  if (timer_.armed() && timer_due_ <= deadline) return;
  timer_due_ = deadline;
  worker_.loop().schedule(timer_, std::chrono::ceil<Millis>(deadline - now_));
}

void Connection::time_passed() {
  now_ = worker_.now();
  if (phase_ == Phase::kHandling) return;  // a handler takes the time it needs
  if (now_ < deadline_) return expect_before(deadline_);
  if (phase_ == Phase::kResting) {
    phase_ = Phase::kReading;
    began_ = now_;
    expect_before(now_ + worker_.options().idle_timeout);
    steps_ = 0;
    return run();
  }
  if (phase_ == Phase::kWriting) reset_at_close();
  if (phase_ != Phase::kReading || !begun()) return close();
  refuse_early(408, exchange_->head_done() ? "the body took too long" : "the header took too long");
  run();
}

}  // namespace drover::http
