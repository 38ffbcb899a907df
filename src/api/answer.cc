#include "api/answer.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "api/json_writer.h"
#include "fleet/errc.h"
#include "identity/errc.h"
#include "store/errc.h"
#include "task/errc.h"

namespace drover::api {
namespace {

constexpr char kRetryAfter[] = "5";  // seconds

std::string body_of(std::string_view code, std::string_view message) {
  std::string body;
  JsonWriter(body).open_object().text("error_code", code).text("error_msg", message).close_object();
  return body;
}

std::string_view code_of(unsigned status) {
  if (status >= 500) return code::kInternal;
  return status == 429 ? code::kTooManyRequests : code::kBadParameter;
}

// The status for what another room refused; 500 for what it does not foresee.
unsigned status_of(const std::error_code& code) {
  if (code == task::Errc::kQueueFull || code == task::Errc::kDraining || code == task::Errc::kNotStored ||
      code == store::Errc::kUnavailable || code == store::Errc::kClosed) {
    return 503;
  }
  if (code == task::Errc::kProjectFull) return 429;
  if (code == task::Errc::kNotFound || code == fleet::Errc::kNotFound || code == identity::Errc::kNotFound ||
      code == store::Errc::kNotFound) {
    return 404;
  }
  if (code == task::Errc::kTooLarge || code == fleet::Errc::kBadAddress || code == fleet::Errc::kBadId ||
      code == identity::Errc::kBadName || code == identity::Errc::kBadLifetime ||
      code == store::Errc::kExists) {
    return 400;
  }
  return 500;
}

}  // namespace

tl::unexpected<Refusal> bad_parameter(std::string message) {
  return tl::unexpected(Refusal{400, code::kBadParameter, std::move(message)});
}

Refusal not_found(std::string message) { return {404, code::kBadParameter, std::move(message)}; }

Refusal refusal_of(const Error& error) {
  const unsigned status = status_of(error.code);
  if (error.code == store::Errc::kCorrupt) {
    spdlog::error("a request met damage in the database: {}; stop the server and run `drover doctor`",
                  error.message);
    return {503, code::kInternal, "the database is damaged: the server's log says more"};
  }
  if (status == 500) {
    spdlog::error("a request failed: {} ({})", error.message, error.code.message());
    return {500, code::kInternal, "internal error"};
  }
  return {status, code_of(status), error.message};
}

http::Response refuse(const Refusal& refusal) {
  http::Response response = json_answer(body_of(refusal.code, refusal.message));
  response.status = refusal.status;
  if (refusal.status == 503 || refusal.status == 429)
    response.headers.emplace_back("Retry-After", kRetryAfter);
  return response;
}

std::string error_body(unsigned status, std::string_view message) {
  if (status == 404 || status == 405) return body_of(code::kNoSuchPath, message);
  return body_of(code_of(status), message);
}

http::Response json_answer(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

http::Response json_answer(std::shared_ptr<const std::string> body) {
  http::Response response;
  response.shared_body = std::move(body);
  return response;
}

}  // namespace drover::api
