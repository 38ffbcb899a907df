#include "api/error_form.h"

#include <string>

#include "api/keystone/base_url.h"
#include "api/keystone/session_answer.h"

namespace drover::api {
namespace {

bool is_keystones(std::string_view path) {
  constexpr std::string_view kRoot = "/v3";
  while (path.starts_with("//")) path.remove_prefix(1);
  return path.starts_with(kRoot) && (path.size() == kRoot.size() || path[kRoot.size()] == '/');
}

}  // namespace

http::Response refuse(const http::Request& request, const Refusal& refusal) {
  http::Response response = refuse(refusal);
  if (!is_keystones(request.raw_path())) return response;
  response.body = keystone::error_answer(refusal);
  if (refusal.status == 401) {
    const Checked<std::string> base = keystone::base_url(request);
    response.headers.emplace_back("WWW-Authenticate",
                                  base ? "Keystone uri=\"" + *base + "/v3\"" : std::string("Keystone"));
  }
  return response;
}

std::string error_body(unsigned status, std::string_view message, std::string_view path) {
  const Refusal refusal = server_refusal(status, message);
  return is_keystones(path) ? keystone::error_answer(refusal) : refuse(refusal).body;
}

}  // namespace drover::api
