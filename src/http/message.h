// A request as handlers see it, and the answer they give.
#pragma once

#include <cstddef>
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

// Valid until its Responder is called (with a filter, the filter's `next`), the body only while the handler
// runs (but see RouteOptions::keep_body); views point into the connection's buffer. Handlers that answer
// later copy what they need.
class Request {
 public:
  virtual ~Request() = default;

  virtual Method method() const = 0;
  // As it came: "HEAD" where method() says GET.
  virtual std::string_view method_text() const = 0;
  // As it came: percent-encoded, with a "//" at the beginning, without the query. Begins with '/', also when
  // the target was of absolute form.
  virtual std::string_view raw_path() const = 0;
  // What follows the first '?', as it came; empty also when there is none.
  virtual std::string_view raw_query() const = 0;
  // Percent-decoded value of the route's {name}; empty if there is none.
  virtual std::string_view path_parameter(std::string_view name) const = 0;
  // Percent-decoded ('+' is a space) value of the first query parameter of that name.
  virtual std::optional<std::string_view> query(std::string_view name) const = 0;
  // First header of that name, any case.
  virtual std::optional<std::string_view> header(std::string_view name) const = 0;
  // How many headers have that name, any case: who must not take the first for all asks here.
  virtual std::size_t header_count(std::string_view name) const = 0;
  // The whole body, as received.
  virtual std::string_view body() const = 0;
  // x-request-id from the header or the query, else one made here. 1 to 128 visible ASCII characters.
  virtual std::string_view request_id() const = 0;
  // "192.0.2.7:4711", "[2001:db8::7]:4711", or "local" for the Unix socket.
  virtual std::string_view peer() const = 0;
  // The same without the port and brackets.
  std::string_view peer_address() const {
    std::string_view address = peer();
    address = address.substr(0, address.rfind(':'));
    if (address.starts_with('[')) address = address.substr(1, address.size() - 2);
    return address;
  }
  // It came over the Unix socket, which only the server's own user can open.
  virtual bool local() const = 0;
  // It came over TLS.
  virtual bool secure() const = 0;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  // How the body is encoded. Empty: as it is, and the server compresses it for clients that take gzip.
  std::string content_encoding;
  std::string body;
  // Instead of `body`, for answers that many requests share.
  std::shared_ptr<const std::string> shared_body;
  // Further headers, for example Retry-After. Content-Length, Content-Encoding, Date and X-Request-Id are set
  // by the server; those, and malformed ones (a line break in a value), are left out.
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
  // From now on the first call runs `filter` on the caller's thread instead of answering; `filter` calls
  // `next`, at once or later, on any thread, and that answers: nothing has left before, and the request stays
  // valid until then. If all copies of `next` are gone without a call, the client gets 500; if that happens
  // to those of this Responder, too, and the filter does not run. It must not throw. A long body may be
  // compressed by then, see `content_encoding`. Once, before copies go to other threads.
  using Filter = std::function<void(Response response, Responder next)>;
  void intercept(Filter filter) const;

 private:
  void run_filter(Response response) const;

  std::shared_ptr<Sink> sink_;
};

// Runs on an HTTP thread: must not block, nor throw.
using Handler = std::function<void(const Request&, Responder)>;

}  // namespace drover::http
