// A request as handlers see it, and the answer they give.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drover::http {

enum class Method { kGet, kPost, kPut, kDelete };

// Valid until its Responder is called, the body only while the handler runs (but see
// RouteOptions::keep_body); views point into the connection's buffer. Handlers that answer later copy what
// they need.
class Request {
 public:
  virtual ~Request() = default;

  virtual Method method() const = 0;
  // Percent-decoded value of the route's {name}; empty if there is none.
  virtual std::string_view path_parameter(std::string_view name) const = 0;
  // Percent-decoded ('+' is a space) value of the first query parameter of that name.
  virtual std::optional<std::string_view> query(std::string_view name) const = 0;
  // First header of that name, any case.
  virtual std::optional<std::string_view> header(std::string_view name) const = 0;
  // The whole body, as received.
  virtual std::string_view body() const = 0;
  // x-request-id from the header or the query, else one made here. 1 to 128 visible ASCII characters.
  virtual std::string_view request_id() const = 0;
  // "192.0.2.7:4711", or "local" for the Unix socket.
  virtual std::string_view peer() const = 0;
  // It came over the Unix socket, which only the server's own user can open.
  virtual bool local() const = 0;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  // Instead of `body`, for answers that many requests share.
  std::shared_ptr<const std::string> shared_body;
  // Further headers, for example Retry-After. Content-Length, Date and X-Request-Id are set by the server;
  // those, and malformed ones (a line break in a value), are left out.
  std::vector<std::pair<std::string, std::string>> headers;
};

// Sends the one answer to one request. May be copied and called from any thread, at any time later; the
// second call does nothing. If all copies are gone without a call, the client gets 500. If the client is
// gone, nothing happens.
class Responder {
 public:
  struct Sink;
  explicit Responder(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}
  void operator()(Response response) const;
  // The client has gone away: work that only serves this answer may stop. A hint, any thread. Over TCP only a
  // reset shows it: a client that closed looks like one that has merely said that it will send no more, and
  // such a one still gets its answer.
  bool abandoned() const;
  // Keeps `what` until the answer is given, or will never be. Once, before copies go to other threads.
  void hold(std::shared_ptr<const void> what) const;

 private:
  std::shared_ptr<Sink> sink_;
};

// Runs on an HTTP thread: must not block, nor throw.
using Handler = std::function<void(const Request&, Responder)>;

}  // namespace drover::http
