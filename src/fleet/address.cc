#include "fleet/address.h"

#include <algorithm>
#include <charconv>

namespace drover::fleet {
namespace {

constexpr std::string_view kScheme = "adb://";
constexpr std::size_t kMaxHost = 253;  // RFC 1035
constexpr std::size_t kMaxId = 32;
constexpr std::size_t kMaxLabels = 16;
constexpr std::size_t kMaxLabel = 64;  // a key or a value

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_host(std::string_view host, bool bracketed) {
  if (host.empty() || host.size() > kMaxHost) return false;
  return std::all_of(host.begin(), host.end(), [bracketed](char c) {
    return is_alnum(c) || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
  });
}

bool is_label(std::string_view part) {
  return !part.empty() && part.size() <= kMaxLabel && std::all_of(part.begin(), part.end(), [](char c) {
    return is_alnum(c) || c == '_' || c == '.' || c == '-';
  });
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  const auto bad = [text] { return failure(Errc::kBadAddress, text.substr(0, 64)); };
  if (text.substr(0, kScheme.size()) != kScheme) return bad();
  std::string_view rest = text.substr(kScheme.size());

  Address address;
  const bool bracketed = !rest.empty() && rest.front() == '[';
  const std::size_t end = bracketed ? rest.find(']') : rest.find(':');
  if (bracketed && end == std::string_view::npos) return bad();
  const std::string_view host = bracketed ? rest.substr(1, end - 1) : rest.substr(0, end);
  if (!is_host(host, bracketed)) return bad();
  address.host = host;

  rest = end == std::string_view::npos ? std::string_view() : rest.substr(bracketed ? end + 1 : end);
  if (rest.empty()) return address;
  if (rest.front() != ':') return bad();
  rest.remove_prefix(1);
  const auto [at, error] = std::from_chars(rest.data(), rest.data() + rest.size(), address.port);
  if (error != std::errc() || at != rest.data() + rest.size() || address.port == 0) return bad();
  return address;
}

bool is_instance_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxId &&
         std::all_of(id.begin(), id.end(), [](char c) { return is_alnum(c) || c == '_' || c == '-'; });
}

bool are_labels(const store::Labels& labels) {
  return labels.size() <= kMaxLabels && std::all_of(labels.begin(), labels.end(), [](const auto& label) {
           return is_label(label.first) && is_label(label.second);
         });
}

}  // namespace drover::fleet
