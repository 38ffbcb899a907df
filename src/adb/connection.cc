#include "adb/connection.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "adb/errc.h"
#include "adb/host_session.h"
#include "adb/shell_command.h"
#include "adb/shell_stream.h"
#include "base/loop.h"

namespace drover::adb {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
// The loop's own executor type: the default one costs a virtual call per operation and memory per socket.
using Socket = asio::basic_stream_socket<Tcp, asio::io_context::executor_type>;
using Resolver = asio::ip::basic_resolver<Tcp, asio::io_context::executor_type>;
using Endpoints = std::vector<Tcp::endpoint>;
using ErrorCode = boost::system::error_code;

constexpr std::size_t kReadSize = std::size_t{64} * 1024;
// Reads in a row of one phone's data before the others get their turn.
constexpr int kReadsPerTurn = 4;
// Above this the phone is not reading our answers, and we stop reading what it sends.
constexpr std::size_t kMaxBacklog = std::size_t{64} * 1024;

constexpr int kKeepAliveIdleSeconds = 60;
constexpr int kKeepAliveProbes = 3;
constexpr int kKeepAliveIntervalSeconds = 10;
constexpr unsigned kUserTimeoutMs = 30'000;

// What is read is dealt with at once, so all connections of a thread share one buffer.
char* read_buffer() {
  thread_local const std::unique_ptr<char[]> buffer(new char[kReadSize]);
  return buffer.get();
}

void set_option(int socket, int level, int name, int value) {
  ::setsockopt(socket, level, name, &value, sizeof value);  // none is worth failing for
}

void set_options(int socket) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
  // Whoever closes it, also the kernel when the process dies: what has not arrived is dropped. Otherwise a
  // command that has ended as lost could still arrive when a network heals, after commands that came later.
  // But the phone is told of such an end only once: see end_politely().
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// Where all has arrived, the end is said again until it has arrived too, so that no phone keeps a dead
// connection because one packet got lost.
void end_politely(int socket) {
  int on_its_way = 0;
  if (::ioctl(socket, SIOCOUTQ, &on_its_way) != 0 || on_its_way > 0) return;
  const linger usual{.l_onoff = 0, .l_linger = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &usual, sizeof usual);
}

Error make_error(Errc code, std::string_view detail = {}) { return failure(code, detail).value(); }

// The connection proper. Handlers that are under way keep it alive; disposed_ tells them that its owner does
// not want to hear of it any more.
class Link final : public std::enable_shared_from_this<Link>, private SessionDriver {
 public:
  Link(Loop& loop, ConnectionOptions options, ConnectionEvents& events);

  void start();
  void dispose();

  bool online() const { return session_.online(); }
  HostSession& session() { return session_; }
  Loop& loop() { return loop_; }

 private:
  enum class Stage { kConnecting, kHandshake, kOnline, kClosed };

  void resolve(const std::string& host, std::uint16_t port);
  void try_endpoints(const std::shared_ptr<const Endpoints>& endpoints, std::size_t index);
  void on_connected();

  void wait_readable();
  void on_readable();
  bool read_turn();
  void wait_writable();
  void flush();

  void on_timer();
  void wake_at(SteadyTime at);
  void close(const Error& why);
  void close_later(Error why);
  void release();

  void on_online(const Banner& banner) override;
  void on_output() override { flush(); }
  void on_deadline_set(SteadyTime at) override;

  Loop& loop_;
  ConnectionEvents& events_;
  Socket socket_;
  HostSession session_;
  Timer timer_;
  SteadyTime timer_at_ = SteadyTime::max();
  std::unique_ptr<ConnectionOptions> options_;  // until the TCP connection is there
  std::unique_ptr<Resolver> resolver_;          // while a name is looked up
  Millis handshake_timeout_;
  Stage stage_ = Stage::kConnecting;
  bool disposed_ = false;
  bool reading_ = false;  // a handler waits for the socket to become readable
  bool writing_ = false;  // the same, writable
  bool broken_ = false;   // a send failed; close() is on its way
};

Link::Link(Loop& loop, ConnectionOptions options, ConnectionEvents& events)
    : loop_(loop),
      events_(events),
      socket_(loop.context()),
      session_(loop.clock(), options.keys, options.max_payload, options.open_timeout, *this),
      timer_([this] {
        // The timer may not be destroyed while it fires.
        asio::post(loop_.context(), [self = shared_from_this()] { self->on_timer(); });
      }),
      options_(std::make_unique<ConnectionOptions>(std::move(options))),
      handshake_timeout_(options_->handshake_timeout) {}

void Link::start() {
  wake_at(loop_.clock().steady() + options_->connect_timeout);
  ErrorCode error;
  const asio::ip::address address = asio::ip::make_address(options_->host, error);
  if (error) return resolve(options_->host, options_->port);
  try_endpoints(std::make_shared<Endpoints>(1, Tcp::endpoint(address, options_->port)), 0);
}

void Link::resolve(const std::string& host, std::uint16_t port) {
  resolver_ = std::make_unique<Resolver>(loop_.context());
  resolver_->async_resolve(
      host, std::to_string(port), Tcp::resolver::numeric_service,
      [self = shared_from_this()](const ErrorCode& error, const Tcp::resolver::results_type& results) {
        if (self->stage_ != Stage::kConnecting) return;
        self->resolver_.reset();
        if (error || results.empty()) return self->close(make_error(Errc::kUnreachable, error.message()));
        auto endpoints = std::make_shared<Endpoints>();
        for (const auto& result : results) endpoints->push_back(result.endpoint());
        self->try_endpoints(endpoints, 0);
      });
}

void Link::try_endpoints(const std::shared_ptr<const Endpoints>& endpoints, std::size_t index) {
  const Tcp::endpoint& endpoint = (*endpoints)[index];
  ErrorCode error;
  socket_.close(error);
  socket_.open(endpoint.protocol(), error);
  if (error) return close_later(make_error(Errc::kUnreachable, error.message()));
  set_options(socket_.native_handle());
  socket_.async_connect(endpoint, [self = shared_from_this(), endpoints, index](const ErrorCode& failed) {
    if (self->stage_ != Stage::kConnecting) return;
    if (!failed) return self->on_connected();
    if (index + 1 < endpoints->size()) return self->try_endpoints(endpoints, index + 1);
    self->close(make_error(Errc::kUnreachable, failed.message()));
  });
}

void Link::on_connected() {
  ErrorCode error;
  socket_.non_blocking(true, error);
  if (error) return close(make_error(Errc::kUnreachable, error.message()));
  options_.reset();
  stage_ = Stage::kHandshake;
  timer_at_ = SteadyTime::max();
  wake_at(loop_.clock().steady() + handshake_timeout_);
  session_.start();
  flush();
  wait_readable();
}

// Waiting for readiness, not for bytes, leaves an idle connection without a buffer.
void Link::wait_readable() {
  if (reading_ || stage_ == Stage::kClosed) return;
  reading_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const ErrorCode& error) {
    self->reading_ = false;
    if (!error) self->on_readable();
  });
}

void Link::on_readable() {
  for (int turn = 0; turn < kReadsPerTurn && stage_ != Stage::kClosed; ++turn) {
    if (!read_turn()) break;
  }
  if (session_.output().size() < kMaxBacklog) wait_readable();
}

// Reads once and handles what came. True if there may be more to read at once.
bool Link::read_turn() {
  ErrorCode error;
  char* buffer = read_buffer();
  const std::size_t size = socket_.read_some(asio::buffer(buffer, kReadSize), error);
  if (error == asio::error::would_block) return false;
  if (error) {
    close(make_error(Errc::kClosed, error == asio::error::eof ? std::string() : error.message()));
    return false;
  }
  Result<> handled = session_.receive({buffer, size});
  if (stage_ == Stage::kClosed) return false;
  flush();
  if (!handled) {
    close(handled.error());
    return false;
  }
  return size == kReadSize && session_.output().size() < kMaxBacklog;
}

void Link::wait_writable() {
  writing_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const ErrorCode& error) {
    self->writing_ = false;
    if (error || self->stage_ == Stage::kClosed) return;
    self->flush();
    if (self->session_.output().size() < kMaxBacklog) self->wait_readable();
  });
}

// Sends what fits into the socket now; the rest waits for room.
void Link::flush() {
  const std::string_view output = session_.output();
  if (output.empty() || writing_ || broken_ || stage_ == Stage::kClosed) return;
  ErrorCode error;
  const std::size_t size = socket_.write_some(asio::buffer(output.data(), output.size()), error);
  if (error && error != asio::error::would_block) {
    broken_ = true;
    return close_later(make_error(Errc::kClosed, error.message()));
  }
  session_.sent(size);
  if (!session_.output().empty()) wait_writable();
}

void Link::on_online(const Banner& banner) {
  stage_ = Stage::kOnline;
  timer_.cancel();
  timer_at_ = SteadyTime::max();
  events_.on_online(banner);
}

void Link::on_deadline_set(SteadyTime at) { wake_at(at); }

// One timer serves all deadlines: it is set for the earliest, and set again when it fires. That nearly all of
// them have been met by then costs nothing on the way of an ordinary job.
void Link::wake_at(SteadyTime at) {
  if (at >= timer_at_) return;
  timer_at_ = at;
  const auto wait = std::chrono::ceil<Millis>(at - loop_.clock().steady());
  loop_.schedule(timer_, std::max(wait, Millis(0)));
}

void Link::on_timer() {
  // It may have been set anew since it fired.
  if (loop_.clock().steady() < timer_at_) return;
  switch (stage_) {
    case Stage::kClosed:
      return;
    case Stage::kConnecting:
      return close(make_error(Errc::kUnreachable, "no answer to the TCP connection"));
    case Stage::kHandshake:
      return close(make_error(Errc::kHandshakeTimeout));
    case Stage::kOnline:
      break;
  }
  timer_at_ = SteadyTime::max();
  Result<> expired = session_.expire(loop_.clock().steady());
  if (stage_ == Stage::kClosed) return;
  flush();
  if (!expired) return close(expired.error());
  wake_at(session_.next_deadline());
}

void Link::close(const Error& why) {
  if (stage_ == Stage::kClosed) return;
  release();
  session_.end(why.code);
  if (!disposed_) events_.on_closed(why);
}

// For where the owner is in a call of ours, and so may not be called.
void Link::close_later(Error why) {
  asio::post(loop_.context(), [self = shared_from_this(), why = std::move(why)] { self->close(why); });
}

void Link::dispose() {
  disposed_ = true;
  if (stage_ != Stage::kClosed) release();
  session_.abandon();
}

void Link::release() {
  stage_ = Stage::kClosed;
  timer_.cancel();
  // All names are looked up by one thread, in turn: one that nobody waits for any more is left out.
  resolver_.reset();
  // Somebody in between may have taken in an OPEN for a phone that does not hear of it.
  if (socket_.is_open() && session_.all_acknowledged()) end_politely(socket_.native_handle());
  ErrorCode ignored;
  socket_.close(ignored);
}

// A command that cannot be sent: says so from the loop, unless it is destroyed before.
class RefusedShell final : public Shell {
 public:
  RefusedShell(Loop& loop, ShellEvents& events, std::error_code why) : alive_(std::make_shared<bool>(true)) {
    asio::post(loop.context(), [alive = alive_, &events, why] {
      if (*alive) events.on_end({.exit_code = std::nullopt, .why = why, .may_have_begun = false});
    });
  }
  ~RefusedShell() override { *alive_ = false; }
  void kill() override {}

 private:
  std::shared_ptr<bool> alive_;
};

class LinkedConnection final : public Connection {
 public:
  explicit LinkedConnection(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  ~LinkedConnection() override { link_->dispose(); }

  bool online() const override { return link_->online(); }

  std::unique_ptr<Shell> shell(std::string_view command, ShellEvents& events) override {
    if (!online()) return refuse(events, Errc::kClosed);
    if (command.size() > max_command())
      return refuse(events, std::make_error_code(std::errc::argument_list_too_long));
    if (command.find('\0') != std::string_view::npos) {
      return refuse(events, std::make_error_code(std::errc::invalid_argument));
    }
    return start_shell(link_->session(), command, events);
  }

  std::size_t max_command() const override {
    const HostSession& session = link_->session();
    return max_command_size(session.max_payload(), session.shell_v2());
  }

 private:
  std::unique_ptr<Shell> refuse(ShellEvents& events, std::error_code why) {
    return std::make_unique<RefusedShell>(link_->loop(), events, why);
  }

  std::shared_ptr<Link> link_;
};

}  // namespace

std::unique_ptr<Connection> connect(Loop& loop, ConnectionOptions options, ConnectionEvents& events) {
  auto link = std::make_shared<Link>(loop, std::move(options), events);
  link->start();
  return std::make_unique<LinkedConnection>(std::move(link));
}

}  // namespace drover::adb
