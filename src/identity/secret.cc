#include "identity/secret.h"

#include <openssl/evp.h>

#include "base/id.h"

namespace drover::identity {
namespace {

constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Without padding (RFC 4648, section 5).
std::string base64url(const unsigned char* data, std::size_t size) {
  std::string out;
  out.reserve((size * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int held = 0;
  for (std::size_t i = 0; i < size; ++i) {
    bits = bits << 8 | data[i];
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += kBase64Url[bits >> held & 63];
    }
  }
  if (held > 0) out += kBase64Url[bits << (6 - held) & 63];
  return out;
}

}  // namespace

std::string make_secret() {
  std::array<unsigned char, 32> random{};
  fill_random(random.data(), random.size());
  return "drv_" + base64url(random.data(), random.size());
}

std::string make_token_id() {
  std::array<char, 8> random{};
  fill_random(random.data(), random.size());
  return "tok_" + to_hex({random.data(), random.size()});
}

struct Hasher::Algorithm {
  Algorithm() : sha256(EVP_MD_fetch(nullptr, "SHA256", nullptr)) {}
  ~Algorithm() { EVP_MD_free(sha256); }
  Algorithm(const Algorithm&) = delete;
  Algorithm& operator=(const Algorithm&) = delete;

  EVP_MD* sha256;
};

Hasher::Hasher() : algorithm_(std::make_unique<const Algorithm>()) {}
Hasher::~Hasher() = default;

std::optional<Digest> Hasher::operator()(std::string_view secret) const {
  Digest digest;
  if (algorithm_->sha256 == nullptr ||
      EVP_Digest(secret.data(), secret.size(), digest.data(), nullptr, algorithm_->sha256, nullptr) != 1) {
    return std::nullopt;
  }
  return digest;
}

}  // namespace drover::identity
