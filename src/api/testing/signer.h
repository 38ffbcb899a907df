// For tests: signs requests as clients of the service do.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <ctime>
#include <map>
#include <string>

#include "base/id.h"
#include "identity/signature.h"

namespace drover::api {

inline std::string sha256_hex(std::string_view text) {
  std::array<char, 32> digest{};
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(),
             nullptr);
  return to_hex({digest.data(), digest.size()});
}

// The headers, each with its line end, that sign a request to the host "drover". `project`: for X-Project-Id;
// empty: without it.
inline std::string signature_headers(const std::string& method, const std::string& target,
                                     const std::string& body, const std::string& access_key,
                                     const std::string& secret, std::int64_t unix_ms,
                                     const std::string& project = {}) {
  const std::time_t seconds = unix_ms / 1000;
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y%m%dT%H%M%SZ", std::gmtime(&seconds));
  std::map<std::string, std::string, std::less<>> headers{{"host", "drover"}, {"x-sdk-date", date.data()}};
  std::string names = "host;x-sdk-date";
  if (!project.empty()) {
    headers["x-project-id"] = project;
    names = "host;x-project-id;x-sdk-date";
  }

  const std::string path = target.substr(0, target.find('?'));
  identity::SignedRequest request;
  request.method = method;
  request.path = path;
  if (path.size() < target.size()) request.query = std::string_view(target).substr(path.size() + 1);
  request.body = body;
  request.header = [&headers](std::string_view name) -> identity::SignedRequest::Header {
    const auto it = headers.find(name);
    if (it == headers.end()) return {};
    return {it->second, 1};
  };
  const std::string canonical = identity::canonical_request(request, names, sha256_hex(body)).value();
  const std::string text = "SDK-HMAC-SHA256\n" + std::string(date.data()) + "\n" + sha256_hex(canonical);
  std::array<char, 32> digest{};
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(digest.data()), nullptr);

  std::string lines = "X-Sdk-Date: " + headers["x-sdk-date"] + "\r\n";
  if (!project.empty()) lines += "X-Project-Id: " + project + "\r\n";
  return lines + "Authorization: SDK-HMAC-SHA256 Access=" + access_key + ", SignedHeaders=" + names +
         ", Signature=" + to_hex({digest.data(), digest.size()}) + "\r\n";
}

}  // namespace drover::api
