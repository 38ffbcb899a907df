#include "api/keystone/base_url.h"

#include <algorithm>
#include <string_view>

namespace drover::api::keystone {
namespace {

constexpr std::size_t kLongestHost = 255;
constexpr std::size_t kLongestPort = 5;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

bool is_ipv6(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
  });
}

// Empty, or ":" and a number.
bool is_port(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() != ':') return false;
  text.remove_prefix(1);
  return !text.empty() && text.size() <= kLongestPort && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_host(std::string_view text) {
  if (text.size() > kLongestHost) return false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    return end != text.npos && is_ipv6(text.substr(1, end - 1)) && is_port(text.substr(end + 1));
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  return is_name(text.substr(0, colon)) && is_port(text.substr(colon));
}

}  // namespace

Checked<std::string> base_url(const http::Request& request) {
  const std::string_view host = request.header("Host").value_or("");
  if (!is_host(host)) return bad_parameter("Host must be a name or an address, and perhaps a port");
  return (request.secure() ? "https://" : "http://") + std::string(host);
}

}  // namespace drover::api::keystone
