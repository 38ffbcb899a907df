#include "identity/secret.h"

#include <openssl/evp.h>

#include "base/base64url.h"
#include "base/id.h"

namespace drover::identity {

std::string make_secret() {
  std::array<char, 32> random{};
  fill_random(random.data(), random.size());
  return "drv_" + base64url({random.data(), random.size()});
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
