// What is answered when a request is not carried out, and the frame of every answer.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"

namespace drover::api {

// The codes that clients see, in both APIs.
namespace code {
inline constexpr std::string_view kBadParameter = "KOOPHONE.API.1000";  // also: no such task, body too large
inline constexpr std::string_view kNotAllowed = "KOOPHONE.API.1001";
inline constexpr std::string_view kInternal = "KOOPHONE.API.9999";
inline constexpr std::string_view kNoSuchPath = "APIGW.0101";
inline constexpr std::string_view kNotAuthenticated = "APIGW.0301";
inline constexpr std::string_view kTooManyRequests = "APIGW.0308";
}  // namespace code

// Why a request is not carried out. `message` names the field and the rule it broke.
struct Refusal {
  unsigned status = 400;
  std::string_view code = code::kBadParameter;
  std::string message;
  Seconds retry_after{5};  // told with 429 and 503
};

template <typename T = void>
using Checked = tl::expected<T, Refusal>;

// 400.
tl::unexpected<Refusal> bad_parameter(std::string message);
// 404, of a thing within the project.
Refusal not_found(std::string message);
// What another room refused: 400, 404, 409, 429 or 503 by its code. Anything unforeseen is logged and becomes
// a plain 500.
Refusal refusal_of(const Error& error);
// The same, and when to try again.
Refusal refusal_of(const Error& error, Millis retry_after);

// Bodies are {"error_code":"...","error_msg":"..."}. 429 and 503 have Retry-After.
http::Response refuse(const Refusal& refusal);
// What the HTTP server itself refuses.
Refusal server_refusal(unsigned status, std::string_view message);

http::Response json_answer(std::string body);
http::Response json_answer(std::shared_ptr<const std::string> body);

}  // namespace drover::api
