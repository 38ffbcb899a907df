#include "http/certificate.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/descriptor.h"
#include "http/errc.h"

namespace drover::http {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;

constexpr off_t kMaxFile = off_t{1} << 20;
// Of certificates that a client presents, which it announces before it has proved anything.
constexpr long kMaxClientChain = 32L * 1024;
// For TLS 1.2; those of 1.3 are all good. Ephemeral keys and authenticated encryption only.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr int kSecurityLevel = 2;  // 112 bits: RSA from 2048, no SHA-1
constexpr unsigned char kProtocols[] = "\x08http/1.1\x08http/1.0";

// A file by the name of the setting that names it.
struct Named {
  const char* setting;
  const std::string& path;
};

Failure bad(const Named& file, const std::string& what) {
  return failure(Errc::kCertificate, std::string(file.setting) + ": " + file.path + ": " + what);
}

std::string openssl_reason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "OpenSSL cannot use it";
}

enum class Secret { kNo, kYes };

Result<std::string> read(const Named& file, Secret secret) {
  // Not to wait for whoever may write to it, should it be a pipe.
  const Descriptor opened(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!opened.is_open() || ::fstat(opened.get(), &info) != 0) return bad(file, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return bad(file, "not a regular file");
  if (secret == Secret::kYes && (info.st_mode & 077) != 0) {
    return bad(file, "others than its owner may use it (chmod 600)");
  }
  if (info.st_size > kMaxFile) return bad(file, "too large");
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t size = ::read(opened.get(), bytes.data(), bytes.size());
  if (size < 0) return bad(file, std::strerror(errno));
  bytes.resize(static_cast<std::size_t>(size));
  return bytes;
}

Bio reader_of(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// The first one of the file, followed by those that signed it.
Result<X509Ptr> use_certificates(SSL_CTX& context, const Named& file) {
  const auto pem = read(file, Secret::kNo);
  if (!pem) return Failure(pem.error());
  const Bio bio = reader_of(*pem);
  X509Ptr leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf) return bad(file, "not a certificate in PEM form");
  if (SSL_CTX_use_certificate(&context, leaf.get()) != 1) return bad(file, openssl_reason());
  while (X509Ptr next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (SSL_CTX_add0_chain_cert(&context, next.get()) != 1) return bad(file, openssl_reason());
    (void)next.release();
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return bad(file, openssl_reason());
  ERR_clear_error();
  return leaf;
}

Result<> use_key(SSL_CTX& context, const Named& file, const X509& leaf, const Named& certificate) {
  auto pem = read(file, Secret::kYes);
  if (!pem) return Failure(pem.error());
  // Without this, OpenSSL would ask on the terminal for the password of an encrypted key.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  const Pkey key(PEM_read_bio_PrivateKey(reader_of(*pem).get(), nullptr, no_password, nullptr));
  OPENSSL_cleanse(pem->data(), pem->size());
  if (!key) return bad(file, "not an unencrypted private key in PEM form");
  if (X509_check_private_key(&leaf, key.get()) != 1) {
    return bad(file, "not the key of the certificate in " + certificate.path);
  }
  if (SSL_CTX_use_PrivateKey(&context, key.get()) != 1) return bad(file, openssl_reason());
  return {};
}

Result<> ask_clients(SSL_CTX& context, const Named& file) {
  const auto pem = read(file, Secret::kNo);
  if (!pem) return Failure(pem.error());
  const Bio bio = reader_of(*pem);
  X509_STORE* const trusted = SSL_CTX_get_cert_store(&context);
  int count = 0;
  while (const X509Ptr ca{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    const bool taken =
        X509_STORE_add_cert(trusted, ca.get()) == 1 && SSL_CTX_add_client_CA(&context, ca.get()) == 1;
    if (!taken) return bad(file, openssl_reason());
    ++count;
  }
  if (count == 0) return bad(file, "not a certificate in PEM form");
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return bad(file, openssl_reason());
  ERR_clear_error();
  X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN);  // what the file names need be no root
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_max_cert_list(&context, kMaxClientChain);
  return {};
}

// A client that offers protocols, and not ours, is told so.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, kProtocols, sizeof(kProtocols) - 1, offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool set_rules(SSL_CTX& context) {
  SSL_CTX_set_security_level(&context, kSecurityLevel);
  // An end without close_notify is for HTTP to judge, which knows the lengths of what it reads.
  SSL_CTX_set_options(&context,
                      SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // An idle connection keeps no buffers, and answers may be sent again from where they are then.
  SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One call reads one record at most, whatever it is: else a client's key updates could keep the thread.
  SSL_CTX_clear_mode(&context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(&context, 1);  // a record's head and body with one system call
  // Clients resume with tickets; one is enough, as a connection stays.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(&context, 1);
  SSL_CTX_set_alpn_select_cb(&context, choose_protocol, nullptr);
  return SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(&context, kCiphers) == 1 &&
         SSL_CTX_set_session_id_context(&context, kProtocols, sizeof(kProtocols) - 1) == 1;
}

std::int64_t unix_seconds(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
}

}  // namespace

void FreeSession::operator()(ssl_st* session) const { SSL_free(session); }
void Certificate::FreeContext::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Certificate::Certificate(Context context, std::int64_t begins_s, std::int64_t expires_s)
    : context_(std::move(context)), begins_s_(begins_s), expires_s_(expires_s) {}

Result<std::unique_ptr<const Certificate>> Certificate::load(const CertificateFiles& files) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context || !set_rules(*context)) return failure(Errc::kCertificate, openssl_reason());
  const Named certificate{"http.tls_certificate", files.certificate};
  const auto leaf = use_certificates(*context, certificate);
  if (!leaf) return Failure(leaf.error());
  if (auto used = use_key(*context, {"http.tls_key", files.key}, **leaf, certificate); !used) {
    return Failure(used.error());
  }
  if (!files.client_ca.empty()) {
    if (auto asked = ask_clients(*context, {"http.tls_client_ca", files.client_ca}); !asked) {
      return Failure(asked.error());
    }
  }
  return std::unique_ptr<const Certificate>(new Certificate(std::move(context),
                                                            unix_seconds(X509_get0_notBefore(leaf->get())),
                                                            unix_seconds(X509_get0_notAfter(leaf->get()))));
}

Session Certificate::make_session() const {
  Session session(SSL_new(context_.get()));
  if (session) SSL_set_accept_state(session.get());
  return session;
}

}  // namespace drover::http
