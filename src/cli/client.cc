#include "cli/client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "cli/errc.h"

namespace drover::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;
using boost::system::error_code;

using HttpRequest = http::request<http::string_body>;
using HttpResponse = http::response<http::string_body>;

constexpr std::size_t kMaxAnswer = std::size_t{512} << 20;

// Asio's blocking calls know no timeouts, so the asynchronous ones are run to their end here, one at a time.
template <typename Protocol>
class Exchange {
 public:
  explicit Exchange(Seconds patience) : stream_(context_) { stream_.expires_after(patience); }

  template <typename Endpoints>
  error_code connect(const Endpoints& endpoints) {
    stream_.async_connect(endpoints, [this](const error_code& error, auto&&...) { error_ = error; });
    return run();
  }

  error_code send(const HttpRequest& request) {
    http::async_write(stream_, request, [this](const error_code& error, std::size_t) { error_ = error; });
    return run();
  }

  error_code receive(http::response_parser<http::string_body>& parser) {
    http::async_read(stream_, buffer_, parser,
                     [this](const error_code& error, std::size_t) { error_ = error; });
    return run();
  }

  asio::io_context& context() { return context_; }

 private:
  error_code run() {
    context_.restart();
    context_.run();
    return error_;
  }

  asio::io_context context_{1};
  beast::basic_stream<Protocol> stream_;
  beast::flat_buffer buffer_;
  error_code error_;
};

Failure unreachable(const Endpoint& endpoint, const error_code& error) {
  if (endpoint.socket.empty()) {
    return fail(Errc::kUnreachable,
                "no Drover server answers at " + endpoint.name() + ": " + error.message());
  }
  if (error == boost::system::errc::permission_denied) {
    return fail(Errc::kUnreachable, "the server at " + endpoint.socket +
                                        " belongs to another user: use --server URL and --token TOKEN");
  }
  std::string text = "no Drover server answers at " + endpoint.socket + ": " + error.message() +
                     "\nStart one with `drover serve`, or name it with --data-dir DIR or --server URL.";
  return fail(Errc::kUnreachable, std::move(text));
}

Failure broken(const Endpoint& endpoint, const error_code& error) {
  const std::string why = error == beast::error::timeout ? "it took too long" : error.message();
  return fail(Errc::kUnreachable, "the answer of " + endpoint.name() + " did not come: " + why);
}

// What a server says when it refuses: its error_msg, or the status if it is no Drover.
Failure refused(const Endpoint& endpoint, unsigned status, const std::string& body) {
  error_code error;
  const json::value value = json::parse(body, error);
  const json::object* const object = error ? nullptr : value.if_object();
  const json::value* const message = object == nullptr ? nullptr : object->if_contains("error_msg");
  std::string text = message != nullptr && message->is_string()
                         ? std::string(message->get_string())
                         : endpoint.name() + " answers " + std::to_string(status);
  if (status == 401) text += "\nGive a token with --token or DROVER_TOKEN; `drover tokens create` makes one.";
  return fail(Errc::kRefused, std::move(text));
}

template <typename Protocol>
Result<HttpResponse> talk(Exchange<Protocol>& exchange, const Endpoint& endpoint,
                          const HttpRequest& request) {
  // A server that refuses a large request answers before it has read it all: look at the answer all the same.
  const error_code not_sent = exchange.send(request);
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswer);
  if (const error_code error = exchange.receive(parser)) return broken(endpoint, not_sent ? not_sent : error);
  return parser.release();
}

Result<HttpResponse> talk_locally(const Endpoint& endpoint, const HttpRequest& request, Seconds patience) {
  using Local = asio::local::stream_protocol;
  Exchange<Local> exchange(patience);
  if (const error_code error = exchange.connect(Local::endpoint(endpoint.socket)))
    return unreachable(endpoint, error);
  return talk(exchange, endpoint, request);
}

Result<HttpResponse> talk_over_tcp(const Endpoint& endpoint, const HttpRequest& request, Seconds patience) {
  using Tcp = asio::ip::tcp;
  Exchange<Tcp> exchange(patience);
  error_code error;
  const auto found = Tcp::resolver(exchange.context()).resolve(endpoint.host, endpoint.port, error);
  if (!error) error = exchange.connect(found);
  if (error) return unreachable(endpoint, error);
  return talk(exchange, endpoint, request);
}

Result<json::value> ask(const Endpoint& endpoint, http::verb verb, const std::string& target,
                        std::string body, Seconds patience) {
  const bool local = !endpoint.socket.empty();
  HttpRequest request(verb, target, 11);
  request.set(http::field::host, local ? "localhost" : endpoint.host + ":" + endpoint.port);
  request.set(http::field::user_agent, "drover");
  request.keep_alive(false);
  if (local) request.set("X-Drover-Project", endpoint.project);
  if (!local && !endpoint.token.empty()) request.set("X-Auth-Token", endpoint.token);
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();

  const Result<HttpResponse> response =
      local ? talk_locally(endpoint, request, patience) : talk_over_tcp(endpoint, request, patience);
  if (!response) return Failure(response.error());
  if (response->result_int() / 100 != 2) return refused(endpoint, response->result_int(), response->body());
  error_code error;
  json::value value = json::parse(response->body(), error);
  if (error) return fail(Errc::kUnreachable, endpoint.name() + " answers with something that is not JSON");
  return value;
}

}  // namespace

std::string Endpoint::name() const {
  if (!socket.empty()) return socket;
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host + "]" : host) + ":" + port;
}

Result<Endpoint> parse_server_url(std::string_view url) {
  const Failure wrong =
      fail(Errc::kUsage, "--server \"" + std::string(url) + "\": must be http://HOST[:PORT]");
  if (url.starts_with("https://")) {
    return fail(Errc::kUsage,
                "--server \"" + std::string(url) + "\": Drover has no TLS yet; use http://HOST[:PORT]");
  }
  if (!url.starts_with("http://")) return wrong;
  url.remove_prefix(7);
  if (url.ends_with('/')) url.remove_suffix(1);
  Endpoint endpoint;
  const bool v6 = url.starts_with('[');
  const std::size_t host_end = v6 ? url.find(']') : std::min(url.find(':'), url.size());
  if (host_end == std::string_view::npos) return wrong;
  endpoint.host = url.substr(v6 ? 1 : 0, host_end - (v6 ? 1 : 0));
  std::string_view rest = url.substr(host_end + (v6 ? 1 : 0));
  endpoint.port = rest.empty() ? "8580" : std::string(rest.substr(1));
  const bool colon = rest.empty() || rest.front() == ':';
  const bool digits = endpoint.port.find_first_not_of("0123456789") == std::string::npos;
  if (endpoint.host.empty() || endpoint.host.find('/') != std::string::npos || !colon || !digits ||
      endpoint.port.empty() || endpoint.port.size() > 5) {
    return wrong;
  }
  return endpoint;
}

std::string percent_encoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return out;
}

Result<json::value> Client::get(const std::string& target, Seconds patience) const {
  return ask(endpoint_, http::verb::get, target, "", patience);
}

Result<json::value> Client::post(const std::string& target, const json::value& body, Seconds patience) const {
  return ask(endpoint_, http::verb::post, target, json::serialize(body), patience);
}

Result<json::value> Client::remove(const std::string& target, Seconds patience) const {
  return ask(endpoint_, http::verb::delete_, target, "", patience);
}

}  // namespace drover::cli
