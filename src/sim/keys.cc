#include "sim/keys.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "sim/errc.h"

namespace drover::sim {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Number = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using NumberContext = std::unique_ptr<BN_CTX, Freer<BN_CTX_free>>;
using PublicKey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;

constexpr int kModulusBits = 2048;
constexpr std::size_t kModulusBytes = kModulusBits / 8;

// AOSP libcrypto_utils/android_pubkey.cpp. Little-endian, like every machine that runs this.
struct WireKey {
  std::uint32_t modulus_words;
  std::uint32_t n0inv;  // -1 / n mod 2^32
  std::array<unsigned char, kModulusBytes> modulus;
  std::array<unsigned char, kModulusBytes> rr;  // (2^2048)^2 mod n
  std::uint32_t exponent;
};
static_assert(sizeof(WireKey) == 524);

bool decode_base64(std::string_view text, WireKey& key) {
  constexpr std::size_t kEncoded = (sizeof(WireKey) + 2) / 3 * 4;
  if (text.size() != kEncoded) return false;
  std::array<unsigned char, kEncoded / 4 * 3> bytes{};
  const int size = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size != static_cast<int>(bytes.size())) return false;  // it counts the padding
  std::memcpy(&key, bytes.data(), sizeof key);
  return true;
}

// Whether n0inv and rr belong to the modulus.
bool is_sound(const WireKey& key, const BIGNUM* modulus) {
  std::uint32_t low = 0;
  std::memcpy(&low, key.modulus.data(), sizeof low);
  if (key.modulus_words != kModulusBytes / 4 || low * key.n0inv != 0xffffffff) return false;
  const NumberContext context(BN_CTX_new());
  const Number r(BN_new());
  const Number rr(BN_new());
  if (!context || !r || !rr || BN_set_bit(r.get(), 2 * kModulusBits) != 1 ||
      BN_mod(rr.get(), r.get(), modulus, context.get()) != 1) {
    return false;
  }
  const Number claimed(BN_lebin2bn(key.rr.data(), kModulusBytes, nullptr));
  return claimed && BN_cmp(claimed.get(), rr.get()) == 0;
}

PublicKey make_key(const WireKey& wire) {
  const Number modulus(BN_lebin2bn(wire.modulus.data(), kModulusBytes, nullptr));
  const Number exponent(BN_new());
  if (!modulus || !exponent || BN_set_word(exponent.get(), wire.exponent) != 1) return nullptr;
  if (BN_num_bits(modulus.get()) != kModulusBits || !is_sound(wire, modulus.get())) return nullptr;
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return PublicKey(key);
}

bool verify_with(EVP_PKEY* key, std::string_view token, std::string_view signature) {
  const KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  if (!context || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha1()) != 1) {
    return false;
  }
  // The token stands in the place of a SHA-1 digest.
  return EVP_PKEY_verify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                         signature.size(), reinterpret_cast<const unsigned char*>(token.data()),
                         token.size()) == 1;
}

class Keys final : public AcceptedKeys {
 public:
  explicit Keys(std::vector<PublicKey> keys) : keys_(std::move(keys)) {}

  bool verify(std::string_view token, std::string_view signature) const override {
    for (const PublicKey& key : keys_) {
      if (verify_with(key.get(), token, signature)) return true;
    }
    return false;
  }

 private:
  std::vector<PublicKey> keys_;
};

}  // namespace

Result<std::unique_ptr<AcceptedKeys>> AcceptedKeys::parse(std::string_view lines) {
  std::vector<PublicKey> keys;
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const auto line_end = lines.find('\n');
    const std::string_view line = lines.substr(0, line_end);
    lines.remove_prefix(line_end == std::string_view::npos ? lines.size() : line_end + 1);
    if (line.empty() || line.front() == '#') continue;
    WireKey wire{};
    PublicKey key;
    if (decode_base64(line.substr(0, line.find(' ')), wire)) key = make_key(wire);
    if (!key) return failure(Errc::kBadKeys, fmt::format("line {} is not an RSA-2048 key of adb", number));
    keys.push_back(std::move(key));
  }
  return std::make_unique<Keys>(std::move(keys));
}

Result<std::unique_ptr<AcceptedKeys>> AcceptedKeys::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return failure(Errc::kBadKeys, fmt::format("{}: {}", path, std::strerror(errno)));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return parse(text);
}

}  // namespace drover::sim
