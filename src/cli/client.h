// Talks to a Drover server: over its Unix socket, or over TCP with a token.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace drover::cli {

// Where the server is, and as who to ask.
struct Endpoint {
  std::string socket;   // path of the Unix socket; empty: host and port
  std::string project;  // over the socket only: a token has its own
  std::string host;
  std::string port;
  std::string token;
  bool tls = false;
  std::string ca;                  // a PEM file; empty: whom this system trusts
  std::string client_certificate;  // a PEM file, and its key's; empty: none
  std::string client_key;

  // For people: "https://127.0.0.1:8580" or the socket's path.
  std::string name() const;
};

// `url` as http://HOST[:PORT] or https://HOST[:PORT]; the port is 8580 if left out. kUsage for all else.
Result<Endpoint> parse_server_url(std::string_view url);

// `text` as a segment of a path or a value in a query.
std::string percent_encoded(std::string_view text);

// One request at a time, a connection each. Every call blocks, for `patience` at most.
//
// kUnreachable: no server, none that answers in time, or one that is not who it should be. kRefused: an
// answer other than 2xx, kMissing if it is 404 and kBusy if 503; the message is the server's own.
class Client {
 public:
  explicit Client(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

  Result<boost::json::value> get(const std::string& target, Seconds patience = Seconds(60)) const;
  Result<boost::json::value> post(const std::string& target, const boost::json::value& body,
                                  Seconds patience = Seconds(120)) const;
  Result<boost::json::value> put(const std::string& target, const boost::json::value& body,
                                 Seconds patience = Seconds(60)) const;
  Result<boost::json::value> remove(const std::string& target, Seconds patience = Seconds(60)) const;
  // Asks for a session as Keystone has it: without the endpoint's own token. The new one, which comes in a
  // header, is the member "session" of what is returned.
  Result<boost::json::value> log_in(const boost::json::value& body, Seconds patience = Seconds(60)) const;

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  Endpoint endpoint_;
};

}  // namespace drover::cli
