// One line a request:
//
//   GET /v1/instances/tasks/0af7 200 321B 0.412ms 4bf92f3577b34da6a3ce929d0e0e4736 192.0.2.7:4711
//
// Level info, from status 500 on warn, except 503. The path is as it came, but for tokens in it, and without
// the query, whose values may be secrets.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace drover::http {

struct AccessEntry {
  std::string_view method;  // empty if the request was not understood
  std::string_view path;
  unsigned status = 0;
  std::uint64_t bytes = 0;  // sent, head included
  std::chrono::nanoseconds duration{};
  std::string_view request_id;
  std::string_view peer;
};

// Not thread-safe: one a thread. Writes to the logger that was the default when it was made.
class AccessLog {
 public:
  explicit AccessLog(bool enabled);
  void write(const AccessEntry& entry);

 private:
  const bool enabled_;
  const std::shared_ptr<spdlog::logger> logger_;
  std::string line_;
};

}  // namespace drover::http
