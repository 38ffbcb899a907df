#include "http/server.h"

#include <future>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "http/connection.h"
#include "http/errc.h"
#include "http/listener.h"
#include "http/worker.h"

namespace drover::http {
namespace {

constexpr unsigned kMostThreads = 64;
constexpr std::size_t kLeastHeader = 256;
constexpr std::size_t kMostHeader = 1024 * 1024;

// Runs `fn` on the loop's thread and waits for it.
template <typename Fn>
void run_on(Loop& loop, Fn fn) {
  std::promise<void> done;
  loop.post([&] {
    fn();
    done.set_value();
  });
  done.get_future().wait();
}

class ServerImpl final : public Server {
 public:
  ServerImpl(const Clock& clock, ServerOptions options, const Router& router, prometheus::Registry& registry)
      : registry_(registry), shared_(clock, std::move(options), router.impl(), registry) {}

  ~ServerImpl() override { stop(Millis(0)); }

  Result<> listen() {
    const ServerOptions& options = shared_.options;
    auto tcp = ListeningSocket::tcp(options.address, options.port);
    if (!tcp) return Failure(tcp.error());
    port_ = tcp->port();
    std::vector<ListeningSocket> sockets;
    sockets.push_back(std::move(*tcp));
    if (!options.unix_socket.empty()) {
      auto local = ListeningSocket::unix_socket(options.unix_socket);
      if (!local) return Failure(local.error());
      sockets.push_back(std::move(*local));
    }
    if (!options.tls.certificate.empty()) {
      auto opened = CertificateWatch::open(options.tls, shared_.clock, registry_);
      if (!opened) return Failure(opened.error());
      shared_.certificates = std::move(*opened);
    }
    for (unsigned i = 0; i < options.threads; ++i) {
      workers_.push_back(std::make_unique<Worker>(shared_, "http"));
      if (!workers_.back()->good()) return failure(std::make_error_code(std::errc::too_many_files_open));
    }
    for (ListeningSocket& socket : sockets) {
      listeners_.push_back(std::make_unique<Listener>(
          std::move(socket), *workers_.front(), [this](Accepted accepted) { deliver(std::move(accepted)); }));
    }
    return {};
  }

  void serve() override {
    Loop& first = workers_.front()->loop();
    run_on(first, [&] {
      if (shared_.certificates) shared_.certificates->start(first, shared_.options.tls_check);
      for (auto& listener : listeners_) listener->start();
    });
  }

  std::uint16_t port() const override { return port_; }

  void stop(Millis patience) override {
    const std::lock_guard lock(stopping_);
    if (stopped_ || workers_.empty()) return;
    stopped_ = true;
    run_on(workers_.front()->loop(), [this] {
      for (auto& listener : listeners_) listener->stop();
    });
    listeners_.clear();
    for (auto& worker : workers_) run_on(worker->loop(), [&worker] { worker->drain(); });
    if (!shared_.wait_until_none(patience)) {
      for (auto& worker : workers_) run_on(worker->loop(), [&worker] { worker->close_all(); });
    }
    for (auto& worker : workers_) worker->thread().join();
    for (auto& worker : workers_) worker->mailbox()->close();
  }

 private:
  // On the first worker's thread.
  void deliver(Accepted accepted) {
    Worker& worker = *workers_[turn_++ % workers_.size()];
    if (&worker == workers_.front().get()) return worker.adopt(std::move(accepted));
    worker.loop().post([&worker, accepted = std::move(accepted)] { worker.adopt(accepted); });
  }

  prometheus::Registry& registry_;
  Shared shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::size_t turn_ = 0;
  std::uint16_t port_ = 0;
  std::mutex stopping_;
  bool stopped_ = false;
};

Result<> check(const ServerOptions& options) {
  if (options.threads < 1 || options.threads > kMostThreads)
    return failure(Errc::kBadOption, "threads: 1 to 64");
  if (options.max_connections < 1) return failure(Errc::kBadOption, "max_connections: 1 or more");
  if (options.max_header < kLeastHeader || options.max_header > kMostHeader) {
    return failure(Errc::kBadOption, "max_header: 256 bytes to 1 MiB");
  }
  if (options.tls.certificate.empty() != options.tls.key.empty() ||
      (options.tls.certificate.empty() && !options.tls.client_ca.empty())) {
    return failure(Errc::kBadOption, "tls: a certificate and its key go together");
  }
  for (const Millis timeout : {options.tls_check, options.header_timeout, options.body_timeout,
                               options.idle_timeout, options.write_timeout}) {
    if (timeout <= Millis(0)) return failure(Errc::kBadOption, "timeouts: more than 0");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(const Clock& clock, ServerOptions options,
                                               const Router& router, prometheus::Registry& registry) {
  if (auto good = check(options); !good) return Failure(good.error());
  try {
    auto server = std::make_unique<ServerImpl>(clock, std::move(options), router, registry);
    if (auto listening = server->listen(); !listening) return Failure(listening.error());
    return server;
  } catch (const std::system_error& error) {
    return failure(error.code(), "HTTP server");  // no thread could be made
  }
}

Result<std::unique_ptr<Server>> Server::start(const Clock& clock, ServerOptions options, const Router& router,
                                              prometheus::Registry& registry) {
  auto server = listen(clock, std::move(options), router, registry);
  if (server) (*server)->serve();
  return server;
}

}  // namespace drover::http
