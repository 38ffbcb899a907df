#include "adb/key.h"

#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "adb/packet.h"
#include "base/descriptor.h"
#include "base/durable_file.h"

namespace drover::adb {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using NumberContext = std::unique_ptr<BN_CTX, Freed<BN_CTX_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;

constexpr int kBits = 2048;
constexpr std::size_t kModulusSize = kBits / 8;
constexpr std::uint32_t kExponent = 65537;
constexpr off_t kMaxFileSize = off_t{64} * 1024;

// What adbd keeps of a key, little-endian. Source: AOSP system/core, libcrypto_utils/android_pubkey.cpp. It
// holds what the phone would otherwise have to compute for its Montgomery arithmetic.
struct AndroidPublicKey {
  std::uint32_t modulus_words = kModulusSize / sizeof(std::uint32_t);
  std::uint32_t n0inv = 0;                           // -1 / n, modulo 2^32
  std::array<std::uint8_t, kModulusSize> modulus{};  // n
  std::array<std::uint8_t, kModulusSize> rr{};       // (2^2048)^2 modulo n
  std::uint32_t exponent = kExponent;
};
static_assert(sizeof(AndroidPublicKey) == 524);

// A file descriptor that closes itself.
std::string errno_text() { return std::generic_category().message(errno); }

Failure bad_key(const std::string& path, std::string_view what) {
  return failure(Errc::kBadKey, path + ": " + std::string(what));
}

Number parameter(const EVP_PKEY& key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(&key, name, &number) != 1) return nullptr;
  return Number(number);
}

bool is_adb_key(const EVP_PKEY& key) {
  if (EVP_PKEY_is_a(&key, "RSA") != 1 || EVP_PKEY_get_bits(&key) != kBits) return false;
  const Number exponent = parameter(key, OSSL_PKEY_PARAM_RSA_E);
  return exponent && BN_is_word(exponent.get(), kExponent) == 1 && parameter(key, OSSL_PKEY_PARAM_RSA_D);
}

// -1 / n modulo 2^32 for an odd n, by Newton: each step doubles the number of right bits, of which n itself
// has 3.
std::uint32_t negative_inverse(std::uint32_t n) {
  std::uint32_t inverse = n;
  for (int bits = 3; bits < 32; bits *= 2) inverse *= 2 - n * inverse;
  return ~inverse + 1;
}

// Nothing if OpenSSL fails.
std::string android_public_key(const EVP_PKEY& key) {
  const Number n = parameter(key, OSSL_PKEY_PARAM_RSA_N);
  const Number rr(BN_new());
  const NumberContext context(BN_CTX_new());
  AndroidPublicKey out;
  const bool ok = n && rr && context && BN_set_bit(rr.get(), 2 * kBits) == 1 &&
                  BN_mod(rr.get(), rr.get(), n.get(), context.get()) == 1 &&
                  BN_bn2lebinpad(n.get(), out.modulus.data(), kModulusSize) == kModulusSize &&
                  BN_bn2lebinpad(rr.get(), out.rr.data(), kModulusSize) == kModulusSize;
  if (!ok) return {};
  std::uint32_t low = 0;
  std::memcpy(&low, out.modulus.data(), sizeof low);
  out.n0inv = negative_inverse(low);
  return {reinterpret_cast<const char*>(&out), sizeof out};
}

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3), '\0');
  // EncodeBlock writes a NUL after the text, where std::string has one anyway.
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return text;
}

class RsaKey final : public Key {
 public:
  RsaKey(Pkey key, std::string public_key) : key_(std::move(key)), public_key_(std::move(public_key)) {}

  std::string sign(std::string_view token) const override {
    if (token.size() != kTokenSize) return {};
    const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    std::string signature(kModulusSize, '\0');
    std::size_t size = signature.size();
    const bool ok = context && EVP_PKEY_sign_init(context.get()) == 1 &&
                    EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha1()) == 1 &&
                    EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                  reinterpret_cast<const unsigned char*>(token.data()), token.size()) == 1;
    return ok && size == kModulusSize ? signature : std::string();
  }

  std::string public_line(std::string_view comment) const override {
    return base64(public_key_).append(" ").append(comment);
  }

 private:
  Pkey key_;
  std::string public_key_;  // AndroidPublicKey
};

Result<std::unique_ptr<Key>> make_key(Pkey key, const std::string& path) {
  std::string public_key = android_public_key(*key);
  if (public_key.empty()) return bad_key(path, "OpenSSL cannot use it");
  return std::make_unique<RsaKey>(std::move(key), std::move(public_key));
}

// Parses PKCS#8 or PKCS#1.
Result<std::unique_ptr<Key>> parse_key(std::string_view pem, const std::string& path) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // Without this, OpenSSL would ask on the terminal for the password of an encrypted key.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  Pkey key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
  if (!key) return bad_key(path, "not an unencrypted private key in PEM form");
  if (!is_adb_key(*key)) return bad_key(path, "not an RSA key of 2048 bits with exponent 65537");
  return make_key(std::move(key), path);
}

Result<std::unique_ptr<Key>> read_key(const Descriptor& file, const std::string& path) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return bad_key(path, errno_text());
  if (!S_ISREG(info.st_mode)) return bad_key(path, "not a regular file");
  if ((info.st_mode & 077) != 0) return bad_key(path, "others than its owner may use it (chmod 600)");
  if (info.st_size > kMaxFileSize) return bad_key(path, "too large");
  std::string pem(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t size = ::read(file.get(), pem.data(), pem.size());
  if (size < 0) return bad_key(path, errno_text());
  auto key = parse_key(std::string_view(pem).substr(0, static_cast<std::size_t>(size)), path);
  OPENSSL_cleanse(pem.data(), pem.size());
  return key;
}

std::string comment() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return "drover";
  return std::string("drover@").append(host.data());
}

Result<> write_public(const std::string& path, const Key& key) {
  return write_durably(path, key.public_line(comment()), 0644, IfThere::kReplace);
}

// Puts the key's file in place whole, and never over one that somebody else has made meanwhile.
Result<> write_private(const std::string& path, EVP_PKEY& key) {
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (!bio || PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return bad_key(path, "OpenSSL cannot write it");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return write_durably(path, {data, static_cast<std::size_t>(size)}, 0600, IfThere::kFail);
}

Result<std::unique_ptr<Key>> open_key(const std::string& path, bool make_if_absent);

Result<std::unique_ptr<Key>> generate_key(const std::string& path) {
  Pkey pkey(EVP_RSA_gen(kBits));
  if (!pkey) return bad_key(path, "OpenSSL cannot make a key");
  if (auto written = write_private(path, *pkey); !written) {
    // Another process was faster: both are to use its key.
    if (written.error().code == std::errc::file_exists) return open_key(path, false);
    return failure(Errc::kBadKey, written.error().message);
  }
  auto key = make_key(std::move(pkey), path);
  if (!key) return key;
  if (auto written = write_public(path + ".pub", **key); !written) {
    return failure(Errc::kBadKey, written.error().message);
  }
  return key;
}

Result<std::unique_ptr<Key>> open_key(const std::string& path, bool make_if_absent) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.is_open()) return read_key(file, path);
  if (errno == ENOENT && make_if_absent) return generate_key(path);
  return bad_key(path, errno_text());
}

}  // namespace

Result<std::unique_ptr<Key>> load_or_make_key(const std::string& path) {
  auto key = open_key(path, true);
  // Whoever made the key may have been stopped in between. Not needed to serve: the folder may be read-only.
  if (const std::string line = path + ".pub"; key && ::access(line.c_str(), F_OK) != 0) {
    (void)write_public(line, **key);
  }
  return key;
}

Result<std::unique_ptr<Key>> load_key(const std::string& path) { return open_key(path, false); }

}  // namespace drover::adb
