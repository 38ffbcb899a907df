// Tokens' secrets: how they are made, and what of them is kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace drover::identity {

// SHA-256 of a secret: what is stored and looked up. A secret has 256 random bits, so nothing slower is
// needed.
using Digest = std::array<unsigned char, 32>;

// Its bytes are uniform already.
struct DigestHash {
  std::size_t operator()(const Digest& digest) const noexcept {
    std::size_t hash = 0;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

// "drv_" and 32 random bytes as base64url.
std::string make_secret();

// A token's public name: "tok_" and 16 random hex digits.
std::string make_token_id();

// Any thread. Looks the algorithm up once instead of at every call.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  // Nothing if OpenSSL fails.
  std::optional<Digest> operator()(std::string_view secret) const;

 private:
  struct Algorithm;
  std::unique_ptr<const Algorithm> algorithm_;
};

}  // namespace drover::identity
