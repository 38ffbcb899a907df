#include "http/connection.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "http/gzip.h"

namespace drover::http {
namespace {

constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;
// A client that always has more to send lets others in after this many reads and requests.
constexpr unsigned kStepsPerTurn = 8;
constexpr Millis kLingerFor{2'000};
// A client that is refused because of overload and asks again at once is not heard before this: else refusing
// takes the time that the work of others needs.
constexpr Millis kRest{100};
// Bodies of up to this are compressed here, in well under a millisecond. Larger ones on the thread that
// answers: long answers are not made on the server's.
constexpr std::size_t kGzipHere = std::size_t{32} * 1024;
// A client that takes less of an answer than this within the write timeout has stopped reading.
constexpr std::size_t kLeastTaken = 16 * 1024;
// nginx's number for "the client closed its connection"; in log and metrics only.
constexpr unsigned kClientGone = 499;

}  // namespace

Connection::Connection(Worker& worker, Accepted socket, std::size_t place)
    : worker_(worker),
      mailbox_(worker.mailbox()),
      place_(place),
      transport_(socket.fd),
      local_(socket.local),
      over_limit_(socket.over_limit),
      peer_(std::move(socket.peer)),
      phase_(!local_ && worker.shared().certificates ? Phase::kSecuring : Phase::kReading),
      events_(phase_ == Phase::kSecuring ? kReadEvents | EPOLLOUT : kReadEvents),
      route_(worker.shared().metrics.unmatched()),
      timer_([this] { time_passed(); }) {}

Connection::~Connection() = default;

void Connection::start() {
  if (worker_.draining() || !worker_.poller().add(transport_.fd(), events_, *this)) return close();
  now_ = worker_.now();
  if (phase_ == Phase::kSecuring) return expect_before(now_ + worker_.options().header_timeout);
  welcome();
  run();
}

void Connection::welcome() {
  phase_ = Phase::kReading;
  if (!over_limit_) return expect_before(now_ + worker_.options().idle_timeout);
  began_ = now_;
  begin_exchange();
  refuse_early(503, "there are too many connections");
}

void Connection::on_ready(std::uint32_t events) {
  const bool broken = events & (EPOLLERR | EPOLLHUP);
  now_ = worker_.now();
  if (broken && phase_ != Phase::kReading) return close();
  if (broken || (events & EPOLLRDHUP)) half_closed_ = true;
  // TLS may have waited for room in order to read.
  if (half_closed_ || (events & EPOLLIN) || transport_.secured()) readable_ = true;
  if (waits_turn_) return;
  steps_ = 0;
  run();
}

void Connection::run() {
  for (;;) {
    switch (phase_) {
      case Phase::kSecuring:
        if (!secure()) return;
        break;
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

bool Connection::turn_is_over() { return ++steps_ > kStepsPerTurn; }

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

// --- answering

void Connection::compress_long(Response& response) const {
  if (body_of(response).size() <= kGzipHere || gone()) return;
  // The request is not answered yet, so its header is there to be read.
  if (exchange_->accepts_gzip()) gzip_body(response);
}

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
  response.body = worker_.shared().router.error_body(status, message, exchange_->raw_path());
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

void Connection::set_answer(Response response) {
  response_ = std::move(response);
  const std::size_t size = body_of(response_).size();
  if (size >= kLeastGzip && size <= kGzipHere && exchange_->accepts_gzip()) gzip_body(response_);
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
    const Transport::Sent sent = transport_.send(head_left, body_left);
    sent_ += sent.size;
    if (sent.status == Transport::Status::kFailed) {
      close();
      return true;
    }
    if (sent.status == Transport::Status::kAgain) {
      wait_to_write();
      return false;
    }
    if (sent_ < head.size() + body.size() && turn_is_over()) {
      wait_to_write();
      return let_others_in();
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
  worker_.poller().modify(transport_.fd(), kReadEvents | EPOLLOUT, *this);
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
    worker_.poller().modify(transport_.fd(), events_, *this);
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
  entry.path = exchange_->raw_path();
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
  transport_.end_sending();
  release_body();
  phase_ = Phase::kLingering;
  expect_before(now_ + kLingerFor);
}

bool Connection::discard_input() {
  if (!readable_) return false;
  if (turn_is_over()) return let_others_in();
  const Transport::Received got = transport_.discard();
  if (got.status == Transport::Status::kOk) {
    readable_ = got.more || half_closed_;
  } else if (got.status == Transport::Status::kAgain) {
    readable_ = false;
    if (!unread_) close();  // there was nothing to wait for
  } else {
    close();
  }
  return true;
}

void Connection::cut_off() {
  transport_.reset_at_close();
  close();
}

void Connection::drain() {
  if (phase_ == Phase::kSecuring) close();
  if ((phase_ == Phase::kReading || phase_ == Phase::kResting) && !begun()) close();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  const bool handling = phase_ == Phase::kHandling;
  const bool orderly = phase_ == Phase::kReading || phase_ == Phase::kResting;
  if (phase_ == Phase::kSecuring && transport_.secured()) count_failed_handshake();
  if (handling || (phase_ == Phase::kWriting && !continuing_)) record(kClientGone);
  phase_ = Phase::kClosed;
  gone_ = true;
  timer_.cancel();
  stop_waiting_to_write();
  release_body();
  worker_.poller().remove(transport_.fd(), *this);
  transport_.close(orderly);
  (void)std::exchange(response_, {});
  if (!handling) release_exchange();
  worker_.shared().closed(over_limit_);
  worker_.forget(*this);
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
  if (phase_ == Phase::kWriting) transport_.reset_at_close();
  if (phase_ != Phase::kReading || !begun()) return close();
  refuse_early(408, exchange_->head_done() ? "the body took too long" : "the header took too long");
  run();
}

}  // namespace drover::http
