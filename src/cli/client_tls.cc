#include "cli/client_tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>

#include "cli/errc.h"

namespace drover::cli {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Failure unusable(const char* option, const std::string& file, const error_code& error) {
  return fail(Errc::kUsage, std::string(option) + " " + file + ": " + error.message());
}

bool is_address(const std::string& host) {
  error_code error;
  boost::asio::ip::make_address(host, error);
  return !error;
}

// The server has ended the connection because of our certificate.
bool wants_certificate(const error_code& error) {
  if (error.category() != boost::asio::error::get_ssl_category()) return false;
  switch (ERR_GET_REASON(static_cast<unsigned long>(error.value()))) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:  // what TLS 1.2 says instead
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<> prepare_tls(ssl::context& context, const Endpoint& endpoint) {
  error_code error;
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  context.set_verify_mode(ssl::verify_peer, error);
  if (endpoint.ca.empty()) {
    if (context.set_default_verify_paths(error); error) return unusable("--ca", "(the system's)", error);
  } else if (context.load_verify_file(endpoint.ca, error); error) {
    return unusable("--ca", endpoint.ca, error);
  }
  if (endpoint.client_certificate.empty()) return {};
  if (context.use_certificate_chain_file(endpoint.client_certificate, error); error)
    return unusable("--client-certificate", endpoint.client_certificate, error);
  if (context.use_private_key_file(endpoint.client_key, ssl::context::pem, error); error)
    return unusable("--client-key", endpoint.client_key, error);
  return {};
}

bool expect_host(ssl_st& session, const std::string& host) {
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(&session);
  if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) == 1 &&
         SSL_set_tlsext_host_name(&session, host.c_str()) == 1;
}

std::string tls_fault(const ssl_st& session, const error_code& error, const Endpoint& endpoint) {
  const long verified = SSL_get_verify_result(&session);
  switch (verified) {
    case X509_V_OK:
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "its certificate is not for " + endpoint.host;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not valid yet";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "its certificate is self-signed; --ca FILE names certificates to trust";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "its certificate is signed by nobody who is trusted here; --ca FILE names certificates to trust";
    default:
      return std::string("its certificate is not to be trusted: ") + X509_verify_cert_error_string(verified);
  }
  if (error.category() == boost::asio::error::get_ssl_category() &&
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_WRONG_VERSION_NUMBER) {
    return "it does not speak TLS; use http://";
  }
  if (!wants_certificate(error)) return error.message();
  return endpoint.client_certificate.empty()
             ? "it wants a certificate of the client; give --client-certificate and --client-key"
             : "it does not accept the certificate in " + endpoint.client_certificate + ": " +
                   error.message();
}

}  // namespace drover::cli
