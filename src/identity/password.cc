#include "identity/password.h"

#include <sodium.h>

#include <array>
#include <cstring>

#include "identity/errc.h"

namespace drover::identity {
namespace {

constexpr unsigned long long kPasses = 2;
constexpr std::size_t kMemory = std::size_t{19} << 20;

using Hash = std::array<char, crypto_pwhash_STRBYTES>;

bool hash_into(Hash& hash, std::string_view password) {
  return sodium_init() >= 0 && crypto_pwhash_str_alg(hash.data(), password.data(), password.size(), kPasses,
                                                     kMemory, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  if (password.size() < kShortestPassword || password.size() > kLongestPassword)
    return failure(Errc::kBadPassword);
  Hash hash{};
  if (!hash_into(hash, password))
    return failure(std::make_error_code(std::errc::not_enough_memory), "Argon2id");
  return std::string(hash.data());
}

bool password_is(std::string_view hash, std::string_view password) {
  if (password.size() > kLongestPassword) password = password.substr(0, kLongestPassword + 1);
  Hash known{};
  if (hash.empty() || hash.size() >= known.size()) {
    (void)hash_into(known, password);
    return false;
  }
  std::memcpy(known.data(), hash.data(), hash.size());
  return sodium_init() >= 0 && crypto_pwhash_str_verify(known.data(), password.data(), password.size()) == 0;
}

std::string make_password() {
  constexpr std::string_view kCharacters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
  std::string out;
  if (sodium_init() < 0) return out;
  for (int i = 0; i < 20; ++i) out += kCharacters[randombytes_uniform(kCharacters.size())];
  return out;
}

}  // namespace drover::identity
