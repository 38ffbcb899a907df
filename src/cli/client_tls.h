// TLS as the client commands speak it: whom they trust, and what they say when that fails.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <string>

#include "base/result.h"
#include "cli/client.h"

namespace drover::cli {

// TLS 1.2 or later. Trusts the certificates in endpoint.ca or, if that is empty, those that this system
// trusts; shows the client's own if there is one. kUsage names the option and the file that cannot be used.
Result<> prepare_tls(boost::asio::ssl::context& context, const Endpoint& endpoint);

// The server must be `host`, a name or an IP address. False if OpenSSL fails.
bool expect_host(ssl_st& session, const std::string& host);

// Why no connection came about, as the rest of a sentence.
std::string tls_fault(const ssl_st& session, const boost::system::error_code& error,
                      const Endpoint& endpoint);

}  // namespace drover::cli
