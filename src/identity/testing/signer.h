// For tests: signs requests as a client does.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <chrono>
#include <ctime>
#include <map>
#include <string>

#include "base/id.h"
#include "identity/signature.h"

namespace drover::identity {

// A request with its signature in the header that carries it.
class Signed {
 public:
  Signed(const std::string& access_key, const std::string& secret, std::int64_t unix_ms,
         std::string body = "{}")
      : body_(std::move(body)) {
    const std::time_t seconds = unix_ms / 1000;
    std::array<char, 32> date{};
    std::tm utc{};
    std::strftime(date.data(), date.size(), "%Y%m%dT%H%M%SZ", gmtime_r(&seconds, &utc));
    headers_ = {{"host", "phones.example"}, {"x-sdk-date", date.data()}};
    const std::string names = "host;x-sdk-date";
    const std::string text = canonical_request(request(), names, sha256(body_)).value();
    const std::string to_sign = "SDK-HMAC-SHA256\n" + headers_["x-sdk-date"] + "\n" + sha256(text);
    std::array<char, 32> digest{};
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(to_sign.data()), to_sign.size(),
         reinterpret_cast<unsigned char*>(digest.data()), nullptr);
    authorization = "SDK-HMAC-SHA256 Access=" + access_key + ", SignedHeaders=" + names +
                    ", Signature=" + to_hex({digest.data(), digest.size()});
  }

  SignedRequest request() const {
    SignedRequest request;
    request.method = "POST";
    request.path = "/v1/cloudphone/instances";
    request.query = "a=b";
    request.body = body_;
    request.header = [this](std::string_view name) -> SignedRequest::Header {
      const auto it = headers_.find(name);
      if (it == headers_.end()) return {};
      return {it->second, 1};
    };
    return request;
  }

  std::string authorization;

 private:
  static std::string sha256(std::string_view text) {
    std::array<char, 32> digest{};
    EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
               EVP_sha256(), nullptr);
    return to_hex({digest.data(), digest.size()});
  }

  std::string body_;
  std::map<std::string, std::string, std::less<>> headers_;
};

}  // namespace drover::identity
