#include "http/metrics.h"

#include <map>

namespace drover::http {
namespace {

const prometheus::Histogram::BucketBoundaries kBuckets = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

}  // namespace

Metrics::Metrics(prometheus::Registry& registry, const Router::Impl& router)
    : connections(prometheus::BuildGauge()
                      .Name("drover_http_connections")
                      .Help("Open HTTP connections")
                      .Register(registry)
                      .Add({})),
      received(prometheus::BuildCounter()
                   .Name("drover_http_received_bytes_total")
                   .Help("Bytes received from HTTP clients")
                   .Register(registry)
                   .Add({})),
      sent(prometheus::BuildCounter()
               .Name("drover_http_sent_bytes_total")
               .Help("Bytes sent to HTTP clients")
               .Register(registry)
               .Add({})),
      slow_readers_closed(prometheus::BuildCounter()
                              .Name("drover_http_slow_readers_closed_total")
                              .Help("HTTP clients closed because too many answers waited to be read")
                              .Register(registry)
                              .Add({})),
      requests_(prometheus::BuildCounter()
                    .Name("drover_http_requests_total")
                    .Help("HTTP requests answered, by route, method and status code")
                    .Register(registry)) {
  for (const auto& route : router.routes) patterns_.push_back(route->pattern);
  patterns_.emplace_back("unmatched");
  auto& family = prometheus::BuildHistogram()
                     .Name("drover_http_request_duration_seconds")
                     .Help("From the first byte of an HTTP request to the last byte of its answer")
                     .Register(registry);
  for (const std::string& pattern : patterns_)
    durations_.push_back(&family.Add({{"route", pattern}}, kBuckets));
}

prometheus::Counter& Metrics::requests(std::size_t route, Verb verb, unsigned status) {
  return requests_.Add(
      {{"route", patterns_[route]}, {"method", verb_name(verb)}, {"code", std::to_string(status)}});
}

TlsMetrics::TlsMetrics(prometheus::Registry& registry)
    : certificate_expiry(prometheus::BuildGauge()
                             .Name("drover_http_certificate_expiry_timestamp_seconds")
                             .Help("When the TLS certificate in use expires, in seconds since 1970")
                             .Register(registry)
                             .Add({})),
      failed_handshakes(prometheus::BuildCounter()
                            .Name("drover_http_tls_handshakes_failed_total")
                            .Help("TLS handshakes that clients began and that came to nothing")
                            .Register(registry)
                            .Add({})) {}

void RequestCounter::count(std::size_t route, Verb verb, unsigned status, double seconds) {
  metrics_.duration(route).Observe(seconds);
  for (const Known& known : known_[route]) {
    if (known.verb == verb && known.status == status) return known.counter->Increment();
  }
  auto& counter = metrics_.requests(route, verb, status);
  counter.Increment();
  known_[route].push_back({verb, status, &counter});
}

}  // namespace drover::http
