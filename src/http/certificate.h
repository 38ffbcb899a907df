// What TLS connections are served with: a certificate with its key, and whose clients are let in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

struct ssl_st;
struct ssl_ctx_st;

namespace drover::http {

struct FreeSession {
  void operator()(ssl_st* session) const;
};
// The server's side of one connection.
using Session = std::unique_ptr<ssl_st, FreeSession>;

// Paths of PEM files. Errors call them by the names that the program's settings have.
struct CertificateFiles {
  std::string certificate;  // with the certificates between it and its root
  std::string key;          // not encrypted, readable for its owner only
  std::string client_ca;    // if not empty, clients must present a certificate that one of these signed
};

// Immutable, any thread. TLS 1.2 and 1.3, forward secrecy, no renegotiation, no compression, HTTP/1.1 only.
class Certificate {
 public:
  // Reads the files. kCertificate says which of them cannot be used, and why.
  static Result<std::unique_ptr<const Certificate>> load(const CertificateFiles& files);

  // Null if there is no memory. Sessions keep what they need of the certificate.
  Session make_session() const;

  // In seconds since 1970; valid from the first to the second.
  std::int64_t begins_s() const { return begins_s_; }
  std::int64_t expires_s() const { return expires_s_; }

 private:
  struct FreeContext {
    void operator()(ssl_ctx_st* context) const;
  };
  using Context = std::unique_ptr<ssl_ctx_st, FreeContext>;

  Certificate(Context context, std::int64_t begins_s, std::int64_t expires_s);

  Context context_;
  std::int64_t begins_s_;
  std::int64_t expires_s_;
};

}  // namespace drover::http
