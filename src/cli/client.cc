#include "cli/client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "cli/client_tls.h"
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

using Tcp = asio::ip::tcp;
using Plain = beast::basic_stream<Tcp>;
using Secured = asio::ssl::stream<Plain>;

constexpr std::size_t kMaxAnswer = std::size_t{512} << 20;
constexpr std::string_view kLogin = "/v3/auth/tokens";

// Asio's blocking calls know no timeouts, so the asynchronous ones are run to their end here, one at a time.
template <typename Stream>
class Exchange {
 public:
  template <typename... Settings>
  explicit Exchange(Seconds patience, Settings&... settings) : stream_(context_, settings...) {
    beast::get_lowest_layer(stream_).expires_after(patience);
  }

  template <typename Endpoints>
  error_code connect(const Endpoints& endpoints) {
    beast::get_lowest_layer(stream_).async_connect(
        endpoints, [this](const error_code& error, auto&&...) { error_ = error; });
    return run();
  }

  // Of TLS only.
  error_code shake_hands() {
    stream_.async_handshake(asio::ssl::stream_base::client,
                            [this](const error_code& error) { error_ = error; });
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
  Stream& stream() { return stream_; }

 private:
  error_code run() {
    context_.restart();
    context_.run();
    return error_;
  }

  asio::io_context context_{1};
  Stream stream_;
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

template <typename Stream>
Failure broken(Exchange<Stream>& exchange, const Endpoint& endpoint, const error_code& error) {
  std::string why = error.message();
  if constexpr (std::is_same_v<Stream, Secured>)
    why = tls_fault(*exchange.stream().native_handle(), error, endpoint);
  if (error == beast::error::timeout) why = "it took too long";
  return fail(Errc::kUnreachable, "the answer of " + endpoint.name() + " did not come: " + why);
}

// What a server says when it refuses: its error_msg, or the status if it is no Drover.
Failure refused(const Endpoint& endpoint, const HttpRequest& request, unsigned status,
                const std::string& body) {
  error_code error;
  const json::value value = json::parse(body, error);
  const json::object* const object = error ? nullptr : value.if_object();
  const json::value* const message = object == nullptr ? nullptr : object->if_contains("error_msg");
  std::string text = message != nullptr && message->is_string()
                         ? std::string(message->get_string())
                         : endpoint.name() + " answers " + std::to_string(status);
  if (status == 401 && request.target() != kLogin) {
    text +=
        "\nGive a token with --token or DROVER_TOKEN: `drover login` gets one for a user's password, "
        "`drover tokens create` makes one.";
  }
  if (status == 404 && text.starts_with("X-Drover-Project")) {
    text = "no such project: " + endpoint.project + "; make it with `drover projects create " +
           endpoint.project + "`";
  }
  const Errc code = status == 404 ? Errc::kMissing : status == 503 ? Errc::kBusy : Errc::kRefused;
  return fail(code, std::move(text));
}

template <typename Stream>
Result<HttpResponse> talk(Exchange<Stream>& exchange, const Endpoint& endpoint, const HttpRequest& request) {
  // A server that refuses a large request answers before it has read it all: look at the answer all the same.
  const error_code not_sent = exchange.send(request);
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswer);
  if (const error_code error = exchange.receive(parser)) {
    // TLS 1.3 says only now that it does not like the client.
    const bool told = error.category() == asio::error::get_ssl_category();
    return broken(exchange, endpoint, not_sent && !told ? not_sent : error);
  }
  return parser.release();
}

Result<HttpResponse> talk_locally(const Endpoint& endpoint, const HttpRequest& request, Seconds patience) {
  using Local = asio::local::stream_protocol;
  Exchange<beast::basic_stream<Local>> exchange(patience);
  if (const error_code error = exchange.connect(Local::endpoint(endpoint.socket)))
    return unreachable(endpoint, error);
  return talk(exchange, endpoint, request);
}

template <typename Stream>
error_code reach(Exchange<Stream>& exchange, const Endpoint& endpoint) {
  error_code error;
  const auto found = Tcp::resolver(exchange.context()).resolve(endpoint.host, endpoint.port, error);
  return error ? error : exchange.connect(found);
}

Result<HttpResponse> talk_over_tcp(const Endpoint& endpoint, const HttpRequest& request, Seconds patience) {
  Exchange<Plain> exchange(patience);
  if (const error_code error = reach(exchange, endpoint)) return unreachable(endpoint, error);
  return talk(exchange, endpoint, request);
}

Result<HttpResponse> talk_over_tls(const Endpoint& endpoint, const HttpRequest& request, Seconds patience) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  if (auto prepared = prepare_tls(context, endpoint); !prepared) return Failure(prepared.error());
  Exchange<Secured> exchange(patience, context);
  ssl_st& session = *exchange.stream().native_handle();
  if (!expect_host(session, endpoint.host)) return unreachable(endpoint, asio::error::no_memory);
  if (const error_code error = reach(exchange, endpoint)) return unreachable(endpoint, error);
  const error_code error = exchange.shake_hands();
  if (!error) return talk(exchange, endpoint, request);
  return fail(Errc::kUnreachable, endpoint.name() + ": " + tls_fault(session, error, endpoint));
}

Result<HttpResponse> talk(const Endpoint& endpoint, const HttpRequest& request, Seconds patience) {
  if (!endpoint.socket.empty()) return talk_locally(endpoint, request, patience);
  return endpoint.tls ? talk_over_tls(endpoint, request, patience)
                      : talk_over_tcp(endpoint, request, patience);
}

// A 2xx answer.
Result<HttpResponse> fetch(const Endpoint& endpoint, http::verb verb, std::string_view target,
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

  const Result<HttpResponse> response = talk(endpoint, request, patience);
  if (!response || response->result_int() / 100 == 2) return response;
  return refused(endpoint, request, response->result_int(), response->body());
}

Result<json::value> json_of(const Endpoint& endpoint, const HttpResponse& response) {
  error_code error;
  json::value value = json::parse(response.body(), error);
  if (error) return fail(Errc::kUnreachable, endpoint.name() + " answers with something that is not JSON");
  return value;
}

Result<json::value> ask(const Endpoint& endpoint, http::verb verb, const std::string& target,
                        std::string body, Seconds patience) {
  const Result<HttpResponse> response = fetch(endpoint, verb, target, std::move(body), patience);
  if (!response) return Failure(response.error());
  return json_of(endpoint, *response);
}

}  // namespace

std::string Endpoint::name() const {
  if (!socket.empty()) return socket;
  const bool v6 = host.find(':') != std::string::npos;
  return (tls ? "https://" : "http://") + (v6 ? "[" + host + "]" : host) + ":" + port;
}

Result<Endpoint> parse_server_url(std::string_view url) {
  const Failure wrong = fail(Errc::kUsage, "--server \"" + std::string(url) +
                                               "\": must be http://HOST[:PORT] or https://HOST[:PORT]");
  Endpoint endpoint;
  endpoint.tls = url.starts_with("https://");
  if (!endpoint.tls && !url.starts_with("http://")) return wrong;
  url.remove_prefix(endpoint.tls ? 8 : 7);
  if (url.ends_with('/')) url.remove_suffix(1);
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

Result<json::value> Client::put(const std::string& target, const json::value& body, Seconds patience) const {
  return ask(endpoint_, http::verb::put, target, json::serialize(body), patience);
}

Result<json::value> Client::remove(const std::string& target, Seconds patience) const {
  return ask(endpoint_, http::verb::delete_, target, "", patience);
}

Result<json::value> Client::log_in(const json::value& body, Seconds patience) const {
  Endpoint nobody = endpoint_;
  nobody.token.clear();  // of another session maybe, and as likely expired: that is why somebody logs in
  const Result<HttpResponse> response =
      fetch(nobody, http::verb::post, kLogin, json::serialize(body), patience);
  if (!response) return Failure(response.error());
  Result<json::value> about = json_of(endpoint_, *response);
  const auto token = response->find("X-Subject-Token");
  json::object* const object = about ? about->if_object() : nullptr;
  if (object == nullptr || token == response->end()) {
    return fail(Errc::kUnreachable, endpoint_.name() + " answers without a token: is it a Drover?");
  }
  object->emplace("session", std::string_view(token->value().data(), token->value().size()));
  return about;
}

}  // namespace drover::cli
