// An HTTP/1.1 server: connections, limits, routing. Knows no phones.
//
// Bounded in every direction: header and body sizes, the time for each, how long an idle connection stays,
// how many connections there are. A client's pipelined requests are answered in order, one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "http/certificate.h"
#include "http/router.h"

namespace prometheus {
class Registry;
}

namespace drover::http {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8580;  // 0: any free one
  std::string unix_socket;    // a path, made with mode 0600; empty: none
  // If set, TCP speaks TLS only; the Unix socket stays plain.
  CertificateFiles tls;
  Millis tls_check{1'000};  // how often the files are looked at
  unsigned threads = 1;
  std::size_t max_connections = 10'000;  // beyond: 503, Retry-After, close; the Unix socket is not limited
  std::size_t max_header = std::size_t{16} << 10;  // bytes, start line included; beyond that 431
  Millis header_timeout{10'000};  // from a request's first byte to the end of its header; for a TLS handshake
  Millis body_timeout{30'000};    // for the whole body
  Millis idle_timeout{75'000};    // between requests
  Millis write_timeout{30'000};   // for a client to take 16 KiB of an answer, or the rest of it
  // Large bodies of requests under way; beyond: 503, Retry-After, close.
  std::size_t body_memory = std::size_t{256} << 20;
  // Answers that their clients are slow to take; beyond: the client that took none of its for longest is
  // closed.
  std::size_t answer_memory = std::size_t{256} << 20;
  bool access_log = true;  // a line a request at level info
};

class Server {
 public:
  // All that can fail: it listens, with all routes in `router`, but nobody is accepted before serve(). Who
  // connects meanwhile waits. `router` and `registry` outlive the server.
  static Result<std::unique_ptr<Server>> listen(const Clock& clock, ServerOptions options,
                                                const Router& router, prometheus::Registry& registry);
  // Both at once.
  static Result<std::unique_ptr<Server>> start(const Clock& clock, ServerOptions options,
                                               const Router& router, prometheus::Registry& registry);
  virtual ~Server() = default;

  // Once, unless it was stopped before.
  virtual void serve() = 0;

  // The port that it listens on.
  virtual std::uint16_t port() const = 0;

  // Not from an HTTP thread. Accepts no more connections, answers the requests that are under way (at most
  // `patience`), then closes all. Blocks. Idempotent. Handlers that are still waiting must be answered by
  // whoever holds their Responders.
  virtual void stop(Millis patience) = 0;
};

}  // namespace drover::http
