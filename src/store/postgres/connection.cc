#include "store/postgres/connection.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <deque>
#include <random>
#include <utility>

#include "base/loop.h"
#include "store/postgres/conninfo.h"
#include "store/postgres/wire.h"

namespace drover::store::postgres {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;
using Resolver = asio::ip::basic_resolver<asio::ip::tcp, asio::io_context::executor_type>;
using ErrorCode = boost::system::error_code;

constexpr Millis kFirstPause{50};
constexpr Millis kLongestPause{2'000};

// Whatever the server's or the role's own settings are. Statements that wait for another node's lock are to
// see what it has stored meanwhile.
constexpr const char* kSetUp =
    "SELECT set_config('statement_timeout', '30s', false),"
    " set_config('idle_in_transaction_session_timeout', '30s', false),"
    " set_config('lock_timeout', '10s', false),"
    " set_config('default_transaction_isolation', 'read committed', false),"
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)";

Error unavailable(std::string_view detail) { return failure(Errc::kUnavailable, detail).value(); }

// What libpq says when it cannot connect, without the address, which we say ourselves, and with SQLSTATE
// first if the server refused: "28P01: password authentication failed".
std::string reason(const PGconn* connection) {
  std::string_view text = connection != nullptr ? PQerrorMessage(connection) : "out of memory";
  constexpr std::string_view kFailed = " failed: ";
  if (const auto at = text.find(kFailed); text.starts_with("connection to server") && at != text.npos) {
    text.remove_prefix(at + kFailed.size());
  }
  // "FATAL:  28P01: ...", the first word in the server's language.
  constexpr std::string_view kSeverity = ":  ";
  if (const auto at = text.find(kSeverity); at < text.find(' ')) text.remove_prefix(at + kSeverity.size());
  return first_line(text);
}

}  // namespace

// Handlers that are under way keep it alive. Each knows which life of the connection it was made in, and does
// nothing in a later one.
class Connection::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, Options options, ConnectionEvents* events)
      : loop_(loop),
        options_(std::move(options)),
        events_(events),
        socket_(loop.context().get_executor()),
        resolver_(loop.context().get_executor()),
        timer_([this] {
          // The timer may not be destroyed while it fires.
          asio::post(loop_.context(), [self = shared_from_this(), serial = timer_serial_] {
            if (serial == self->timer_serial_) self->on_timer();
          });
        }) {}

  void start();
  void stop();
  void set_answer_patience(Millis patience) { options_.answer_patience = patience; }
  bool up() const { return state_ == State::kUp; }
  void run(Unit unit, Done done);

 private:
  enum class State { kNew, kConnecting, kSettingUp, kUp, kPausing, kStopped };

  void begin_round();
  void try_next();
  void look_up();
  void connect();
  ErrorCode take_socket();
  void poll();
  void set_up();
  void on_set_up(const Wire::Answer& answer);
  void attempt_failed(const std::string& why);

  void wait(Descriptor::wait_type what, void (Impl::*then)());
  void on_readable();
  void on_writable();
  void flush();
  void broken(const std::string& why);
  void close();
  void pause(const Error& why);

  void deliver();
  void set_timer(Millis after);
  void cancel_timer();
  void on_timer();

  Loop& loop_;
  Options options_;
  ConnectionEvents* events_;
  // Its own name for libpq's socket, which libpq may close at any time, so that somebody else's may then have
  // the number.
  Descriptor socket_;
  Resolver resolver_;
  Timer timer_;  // of the attempt, the pause or the answer
  std::uint64_t timer_serial_ = 0;
  State state_ = State::kNew;
  std::uint64_t life_ = 0;  // counts the sockets that were given up

  Result<Conninfo> info_ = Conninfo::parse(options_.conninfo, options_.application_name);
  std::deque<Target> to_try_;  // of this round; the first is being tried
  PGconn* connection_ = nullptr;
  std::unique_ptr<Wire> wire_;
  bool writing_ = false;  // a handler waits until more can be sent

  std::deque<Wire::Answered> answers_;  // to be delivered, in order
  int failures_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

void Connection::Impl::start() {
  if (state_ != State::kNew) return;
  state_ = State::kPausing;
  if (info_) {
    set_timer(Millis{0});
    return;
  }
  asio::post(loop_.context(), [self = shared_from_this()] {
    if (self->state_ != State::kStopped && self->events_ != nullptr) {
      self->events_->on_down(unavailable(self->info_.error().message));
    }
  });
}

void Connection::Impl::begin_round() {
  to_try_.assign(info_->targets().begin(), info_->targets().end());
  try_next();
}

void Connection::Impl::try_next() {
  state_ = State::kConnecting;
  set_timer(options_.connect_patience);
  if (Conninfo::needs_lookup(to_try_.front())) return look_up();
  connect();
}

// libpq would look the name up by itself, and the loop would stand still meanwhile.
void Connection::Impl::look_up() {
  resolver_.async_resolve(to_try_.front().host, "", asio::ip::resolver_base::flags{},
                          [self = shared_from_this(), life = life_](const ErrorCode& error,
                                                                    const Resolver::results_type& results) {
                            if (self->life_ != life || self->state_ != State::kConnecting) return;
                            if (error)
                              return self->attempt_failed("its address cannot be found: " + error.message());
                            const Target named = self->to_try_.front();
                            self->to_try_.pop_front();
                            std::vector<Target> found;
                            for (const auto& one : results) {
                              found.push_back({named.host, one.endpoint().address().to_string(), named.port});
                            }
                            self->to_try_.insert(self->to_try_.begin(), found.begin(), found.end());
                            self->try_next();
                          });
}

void Connection::Impl::connect() {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  const auto settings = info_->settings(to_try_.front());
  for (const auto& [keyword, value] : settings) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  connection_ = PQconnectStartParams(keywords.data(), values.data(), 0);
  if (connection_ == nullptr || PQstatus(connection_) == CONNECTION_BAD) {
    return attempt_failed(reason(connection_));
  }
  PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE);  // with SQLSTATE, which libpq gives no other way here
  if (const ErrorCode error = take_socket()) return attempt_failed(error.message());
  wait(Descriptor::wait_write, &Impl::poll);
}

ErrorCode Connection::Impl::take_socket() {
  ErrorCode error;
  if (socket_.is_open()) socket_.close(error);
  const int own = ::fcntl(PQsocket(connection_), F_DUPFD_CLOEXEC, 0);
  if (own < 0) return {errno, boost::system::system_category()};
  socket_.assign(own, error);
  if (error) ::close(own);
  return error;
}

void Connection::Impl::poll() {
  const PostgresPollingStatusType wanted = PQconnectPoll(connection_);
  if (wanted == PGRES_POLLING_FAILED || PQsocket(connection_) < 0) return attempt_failed(reason(connection_));
  // It may have closed the socket and opened another, even one with the same number.
  if (const ErrorCode error = take_socket()) return attempt_failed(error.message());
  if (wanted == PGRES_POLLING_OK) return set_up();
  wait(wanted == PGRES_POLLING_READING ? Descriptor::wait_read : Descriptor::wait_write, &Impl::poll);
}

void Connection::Impl::set_up() {
  state_ = State::kSettingUp;
  PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
  wire_ = std::make_unique<Wire>(connection_);
  Unit unit;
  unit.add(kSetUp);
  const bool sent = wire_->send(std::move(unit), [this](const Wire::Answer& answer) { on_set_up(answer); });
  if (!sent) return attempt_failed(wire_->why());
  wait(Descriptor::wait_read, &Impl::on_readable);
  flush();
}

void Connection::Impl::on_set_up(const Wire::Answer& answer) {
  if (state_ != State::kSettingUp) return;  // given up meanwhile
  if (!answer) return attempt_failed(answer.error().message);
  cancel_timer();
  state_ = State::kUp;
  failures_ = 0;
  spdlog::info("{}: {} is connected", info_->describe(to_try_.front()), options_.application_name);
  if (events_ != nullptr) events_->on_up();
}

void Connection::Impl::attempt_failed(const std::string& why) {
  std::string detail = info_->describe(to_try_.front()) + ": " + why;
  if (why.find("no password supplied") != why.npos) {
    if (const std::string cause = info_->why_no_password(); !cause.empty()) detail += ": " + cause;
  }
  const Error error = unavailable(detail);
  close();
  to_try_.pop_front();
  if (!to_try_.empty()) return try_next();
  pause(error);
}

void Connection::Impl::wait(Descriptor::wait_type what, void (Impl::*then)()) {
  socket_.async_wait(what, [self = shared_from_this(), life = life_, then](const ErrorCode& error) {
    // A socket in trouble is ready, too: libpq finds out what it is.
    if (self->life_ == life && error != asio::error::operation_aborted) (self.get()->*then)();
  });
}

void Connection::Impl::on_readable() {
  const std::uint64_t life = life_;
  std::vector<std::pair<std::string, std::string>> notices;
  const bool alive = wire_->receive(answers_, notices);
  if (state_ == State::kUp) {
    cancel_timer();
    if (!wire_->idle()) set_timer(options_.answer_patience);
  }
  // Before anybody is told: what the answer sets off should find the socket waited for.
  if (alive) wait(Descriptor::wait_read, &Impl::on_readable);
  deliver();
  for (const auto& [channel, payload] : notices) {
    if (life_ != life || events_ == nullptr) break;
    events_->on_notice(channel, payload);
  }
  if (life_ != life) return;
  if (!alive) return broken(wire_->why());
  flush();
}

void Connection::Impl::on_writable() {
  writing_ = false;
  flush();
}

void Connection::Impl::flush() {
  if (!wire_->flush()) return;  // the reader learns why, and what was answered before
  if (!wire_->wants_to_write() || std::exchange(writing_, true)) return;
  wait(Descriptor::wait_write, &Impl::on_writable);
}

void Connection::Impl::run(Unit unit, Done done) {
  if (state_ != State::kUp) {
    const Error error =
        state_ == State::kStopped ? failure(Errc::kClosed).value() : unavailable("not connected");
    answers_.push_back({std::move(done), tl::unexpected(error)});
    asio::post(loop_.context(), [self = shared_from_this()] { self->deliver(); });
    return;
  }
  if (wire_->idle()) set_timer(options_.answer_patience);
  if (wire_->send(std::move(unit), std::move(done))) return flush();
  asio::post(loop_.context(), [self = shared_from_this(), life = life_] {
    if (self->life_ == life) self->broken(self->wire_->why());
  });
}

void Connection::Impl::broken(const std::string& why) {
  if (state_ == State::kSettingUp) return attempt_failed(why);
  const std::string detail = info_->describe(to_try_.front()) + ": " + why;
  wire_->give_up(failure(Errc::kUnknownFate, detail).value(), answers_);
  close();
  const std::uint64_t life = life_;
  deliver();
  if (life_ == life && state_ != State::kStopped) pause(unavailable(detail));
}

// Ends what there is of a connection, at whatever point it is.
void Connection::Impl::close() {
  ++life_;
  cancel_timer();
  resolver_.cancel();
  ErrorCode ignored;
  if (socket_.is_open()) socket_.close(ignored);
  wire_.reset();
  writing_ = false;
  if (connection_ != nullptr) {
    // The wire, to which it would tell what the server still says, is gone.
    PQsetNoticeReceiver(
        connection_, [](void*, const PGresult*) {}, nullptr);
    PQfinish(std::exchange(connection_, nullptr));
  }
  if (state_ != State::kStopped) state_ = State::kPausing;
}

void Connection::Impl::pause(const Error& why) {
  state_ = State::kPausing;
  const auto longest = std::min(kLongestPause, kFirstPause * (1 << std::min(failures_, 10)));
  ++failures_;
  // Three quarters to one: many nodes do not come back at the same moment.
  set_timer(longest * std::uniform_int_distribution<int>(75, 100)(random_) / 100);
  if (events_ != nullptr) events_->on_down(why);
}

void Connection::Impl::deliver() {
  while (!answers_.empty()) {
    Wire::Answered one = std::move(answers_.front());
    answers_.pop_front();
    one.done(std::move(one.answer));
  }
}

void Connection::Impl::stop() {
  if (state_ == State::kStopped) return;
  const bool was_setting_up = state_ == State::kSettingUp;
  state_ = State::kStopped;
  events_ = nullptr;
  if (wire_ && !was_setting_up) wire_->give_up(failure(Errc::kClosed).value(), answers_);
  close();
  deliver();
}

void Connection::Impl::set_timer(Millis after) {
  ++timer_serial_;
  loop_.schedule(timer_, after);
}

void Connection::Impl::cancel_timer() {
  ++timer_serial_;
  timer_.cancel();
}

void Connection::Impl::on_timer() {
  switch (state_) {
    case State::kPausing:
      return begin_round();
    case State::kConnecting:
    case State::kSettingUp:
      return attempt_failed("no answer for " + std::to_string(options_.connect_patience.count()) + " ms");
    case State::kUp:
      return broken("no answer for " + std::to_string(options_.answer_patience.count()) + " ms");
    case State::kNew:
    case State::kStopped:
      return;
  }
}

Result<> Connection::check(const std::string& conninfo) {
  return Conninfo::parse(conninfo, {}).map([](const Conninfo&) {});
}

Connection::Connection(Loop& loop, Options options, ConnectionEvents* events)
    : impl_(std::make_shared<Impl>(loop, std::move(options), events)) {}

Connection::~Connection() { stop(); }

void Connection::start() { impl_->start(); }

void Connection::set_answer_patience(Millis patience) { impl_->set_answer_patience(patience); }

void Connection::stop() {
  const auto impl = impl_;  // a callback may destroy the connection
  impl->stop();
}

bool Connection::up() const { return impl_->up(); }

void Connection::run(Unit unit, Done done) { impl_->run(std::move(unit), std::move(done)); }

}  // namespace drover::store::postgres
