// For tests: an RSA key as adb has it.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace drover::sim {

class TestKey {
 public:
  TestKey() : key_(EVP_RSA_gen(2048), EVP_PKEY_free) {}

  // A line of adb_keys.
  std::string line() const {
    const std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), BN_CTX_free);
    BIGNUM* n = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), OSSL_PKEY_PARAM_RSA_N, &n);
    BIGNUM* rr = BN_new();
    BIGNUM* word = BN_new();
    BIGNUM* inverse = BN_new();
    std::string bytes(524, '\0');
    put32(bytes, 0, 64);
    BN_set_bit(word, 32);
    BN_mod_inverse(inverse, n, word, context.get());
    put32(bytes, 4, static_cast<std::uint32_t>(-BN_get_word(inverse)));
    BN_bn2lebinpad(n, reinterpret_cast<unsigned char*>(&bytes[8]), 256);
    BN_set_bit(rr, 4096);
    BN_mod(rr, rr, n, context.get());
    BN_bn2lebinpad(rr, reinterpret_cast<unsigned char*>(&bytes[264]), 256);
    put32(bytes, 520, 65537);
    for (BIGNUM* each : {n, rr, word, inverse}) BN_free(each);
    std::array<unsigned char, 1000> text{};
    const int size = EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(bytes.data()), 524);
    return std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size)) +
           " test@host\n";
  }

  std::string sign(std::string_view token) const {
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        EVP_PKEY_CTX_new(key_.get(), nullptr), EVP_PKEY_CTX_free);
    EVP_PKEY_sign_init(context.get());
    EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING);
    EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha1());
    std::string signature(256, '\0');
    std::size_t size = signature.size();
    EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                  reinterpret_cast<const unsigned char*>(token.data()), token.size());
    return signature;
  }

 private:
  static void put32(std::string& bytes, std::size_t at, std::uint32_t value) {
    std::memcpy(&bytes[at], &value, sizeof value);
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace drover::sim
