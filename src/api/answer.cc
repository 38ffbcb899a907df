#include "api/answer.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "api/json_writer.h"
#include "fleet/errc.h"
#include "identity/errc.h"
#include "store/errc.h"
#include "task/errc.h"

namespace drover::api {
namespace {

std::string body_of(std::string_view code, std::string_view message) {
  std::string body;
  JsonWriter(body).open_object().text("error_code", code).text("error_msg", message).close_object();
  return body;
}

std::string_view code_of(unsigned status) {
  if (status >= 500) return code::kInternal;
  if (status == 401) return code::kNotAuthenticated;
  return status == 429 ? code::kTooManyRequests : code::kBadParameter;
}

// A name, a policy ... that identity does not take.
bool is_about_what_was_given(const std::error_code& code) {
  using identity::Errc;
  for (const Errc bad : {Errc::kBadName, Errc::kBadId, Errc::kBadLifetime, Errc::kBadPolicy,
                         Errc::kBadPassword, Errc::kBadKey}) {
    if (code == bad) return true;
  }
  return false;
}

// The status for what another room refused; 500 for what it does not foresee.
unsigned status_of(const std::error_code& code) {
  if (code == task::Errc::kQueueFull || code == task::Errc::kDraining || code == task::Errc::kNotStored ||
      code == task::Errc::kNotKnown || code == store::Errc::kUnavailable || code == store::Errc::kClosed ||
      code == store::Errc::kFenced || code == identity::Errc::kBusy ||
      code == std::errc::operation_canceled) {
    return 503;
  }
  if (code == identity::Errc::kBadCredentials) return 401;
  if (code == task::Errc::kProjectFull || code == identity::Errc::kThrottled) return 429;
  if (code == identity::Errc::kInUse) return 409;
  if (code == task::Errc::kNotFound || code == fleet::Errc::kNotFound || code == identity::Errc::kNotFound ||
      code == store::Errc::kNotFound) {
    return 404;
  }
  if (code == task::Errc::kTooLarge || code == fleet::Errc::kBadAddress || code == fleet::Errc::kBadId ||
      code == fleet::Errc::kBadLabels || code == store::Errc::kExists) {
    return 400;
  }
  return is_about_what_was_given(code) ? 400 : 500;
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
  // Where the database is, and what it says, is for who runs the server.
  if (error.code == store::Errc::kUnavailable) {
    spdlog::info("a request was refused: {}", error.message);
    return {status, code_of(status), "the database cannot be used now: the server's log says more"};
  }
  if (status == 500) {
    spdlog::error("a request failed: {} ({})", error.message, error.code.message());
    return {500, code::kInternal, "internal error"};
  }
  return {status, code_of(status), error.message};
}

Refusal refusal_of(const Error& error, Millis retry_after) {
  Refusal refusal = refusal_of(error);
  // A header has whole seconds: who comes too early has come in vain.
  if (retry_after > Millis::zero()) {
    refusal.retry_after = std::chrono::ceil<Seconds>(retry_after);
    refusal.message += ": try again in " + std::to_string(refusal.retry_after.count()) + " s";
  }
  return refusal;
}

http::Response refuse(const Refusal& refusal) {
  http::Response response = json_answer(body_of(refusal.code, refusal.message));
  response.status = refusal.status;
  if (refusal.status == 503 || refusal.status == 429)
    response.headers.emplace_back("Retry-After", std::to_string(refusal.retry_after.count()));
  return response;
}

Refusal server_refusal(unsigned status, std::string_view message) {
  const bool no_path = status == 404 || status == 405;
  return {status, no_path ? code::kNoSuchPath : code_of(status), std::string(message)};
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
