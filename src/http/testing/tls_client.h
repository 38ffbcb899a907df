// For tests: the client's side of TLS.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "http/certificate.h"

namespace drover::http {

// What clients trust, and who they are. Trusts everybody, unless told otherwise.
class TlsClient {
 public:
  TlsClient() : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_set_options(context_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  }

  SSL_CTX* context() const { return context_.get(); }
  void only(int version) const {
    SSL_CTX_set_security_level(context_.get(), 0);  // else TLS 1.1 is not even tried
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
  }
  void present(X509* certificate, EVP_PKEY* key) const {
    SSL_CTX_use_certificate(context_.get(), certificate);
    SSL_CTX_use_PrivateKey(context_.get(), key);
  }

  // On a connected socket. Null if the handshake fails.
  Session connect(int fd) const {
    Session session(SSL_new(context_.get()));
    SSL_set_fd(session.get(), fd);
    return SSL_connect(session.get()) == 1 ? std::move(session) : nullptr;
  }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
};

}  // namespace drover::http
