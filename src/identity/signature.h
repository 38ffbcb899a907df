// Requests signed with an access key: the scheme SDK-HMAC-SHA256 of Huawei Cloud's SDKs.
//
// The canonical request is rebuilt from what arrived: path segments and query are decoded and encoded again,
// since HTTP clients and signers differ in what they escape; headers are those that the client lists. Facts
// of the scheme: huaweicloud-sdk-java-v3, core/auth (AKSKSigner).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace drover::identity {

// The parts of `Authorization: SDK-HMAC-SHA256 Access=..., SignedHeaders=a;b, Signature=...`. Views into it.
struct Authorization {
  std::string_view access_key;
  std::string_view signed_headers;
  std::string_view signature;  // 64 lower-case hex digits
};

inline constexpr std::string_view kSignatureScheme = "SDK-HMAC-SHA256";

// kBadAuthorization says which part is missing or malformed.
Result<Authorization> parse_authorization(std::string_view header);

// What arrived. Views; only used during the call.
struct SignedRequest {
  struct Header {
    std::string_view value;
    std::size_t count = 0;
  };

  std::string_view method;  // upper case
  std::string_view
      path;  // as on the wire: an endpoint that ends with a slash makes "//v1/...", which is signed so
  std::string_view query;  // as on the wire, without '?'
  std::string_view body;
  // The first header of that name, any case, without white space around it; and how many there are.
  std::function<Header(std::string_view name)> header;
};

// Whether the request was signed with that secret, at most 15 minutes from `unix_ms`. kBadAuthorization,
// kStale or kBadSignature. Comparing takes the same time wherever the signatures differ.
//
// What is not signed may be anybody's, and what comes twice may be read as the one or the other. Hence the
// date must be among the signed headers, the host and the project too if they were sent, and a signed header
// must come once. The hash signed is that of the body that came: a header X-Sdk-Content-Sha256 may only
// repeat it. "UNSIGNED-PAYLOAD" is refused: the body says what runs on which phones, so whoever could change
// it could do anything, and the SDKs send that value only for bodies that are not JSON, which no operation
// has.
//
// The same request may come twice: SDKs repeat one as it is when an answer tells them to. Only TLS keeps
// others from repeating it too.
Result<> verify_signature(const SignedRequest& request, const Authorization& authorization,
                          std::string_view secret, std::int64_t unix_ms);

// As much of that as can be said without the body and the secret: kBadAuthorization or kStale.
Result<> expect_signature(const SignedRequest& request, const Authorization& authorization,
                          std::int64_t unix_ms);

// The text whose hash is signed; `body_hash` in lower-case hex. kBadAuthorization for a listed header that is
// missing or comes more than once, or a path or query that is not percent-encoded properly.
Result<std::string> canonical_request(const SignedRequest& request, std::string_view signed_headers,
                                      std::string_view body_hash);

}  // namespace drover::identity
