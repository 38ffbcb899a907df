// What the HTTP server counts:
//
//   drover_http_requests_total{route,method,code}      answers; code 499: the client was gone before its
//   answer drover_http_request_duration_seconds{route}        first byte of a request to last byte of its
//   answer drover_http_connections                            open now drover_http_received_bytes_total,
//   drover_http_sent_bytes_total
//   drover_http_slow_readers_closed_total                     to make room for other answers
//
// and with TLS:
//
//   drover_http_certificate_expiry_timestamp_seconds          of the certificate in use
//   drover_http_tls_handshakes_failed_total                   begun by a client, and come to nothing
//
// `route` is the pattern, or "unmatched" for all unknown paths together.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "http/router_impl.h"
#include "http/verb.h"

namespace drover::http {

// Thread-safe. `registry` must outlive it.
class Metrics {
 public:
  Metrics(prometheus::Registry& registry, const Router::Impl& router);

  prometheus::Counter& requests(std::size_t route, Verb verb, unsigned status);
  prometheus::Histogram& duration(std::size_t route) { return *durations_[route]; }
  std::size_t routes() const { return patterns_.size(); }
  // The place of requests without a route.
  std::size_t unmatched() const { return patterns_.size() - 1; }

  prometheus::Gauge& connections;
  prometheus::Counter& received;
  prometheus::Counter& sent;
  prometheus::Counter& slow_readers_closed;

 private:
  std::vector<std::string> patterns_;
  prometheus::Family<prometheus::Counter>& requests_;
  std::vector<prometheus::Histogram*> durations_;
};

// Of a server that speaks TLS only: elsewhere a time of expiry would be an alarm. Thread-safe.
struct TlsMetrics {
  explicit TlsMetrics(prometheus::Registry& registry);

  prometheus::Gauge& certificate_expiry;
  prometheus::Counter& failed_handshakes;
};

// One thread's way to the request metrics: remembers each counter, so that counting takes no look-up by
// label.
class RequestCounter {
 public:
  explicit RequestCounter(Metrics& metrics) : metrics_(metrics), known_(metrics.routes()) {}
  void count(std::size_t route, Verb verb, unsigned status, double seconds);

 private:
  struct Known {
    Verb verb;
    unsigned status;
    prometheus::Counter* counter;
  };
  Metrics& metrics_;
  std::vector<std::vector<Known>> known_;  // by route; a handful each
};

}  // namespace drover::http
