#include "http/target.h"

#include <strings.h>

namespace drover::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool strip_scheme(std::string_view& target, std::string_view scheme) {
  if (target.size() < scheme.size() || strncasecmp(target.data(), scheme.data(), scheme.size()) != 0)
    return false;
  target.remove_prefix(scheme.size());
  return true;
}

}  // namespace

std::optional<Target> split_target(std::string_view target) {
  if (strip_scheme(target, "http://") || strip_scheme(target, "https://")) {
    const std::size_t authority = target.find_first_of("/?");
    if (target.empty() || authority == 0) return std::nullopt;
    target.remove_prefix(authority == target.npos ? target.size() : authority);
    if (target.empty()) return Target{"/", {}};
    if (target.front() == '?') return Target{"/", target.substr(1)};
  }
  if (target.empty() || target.front() != '/') return std::nullopt;
  const std::size_t mark = target.find('?');
  if (mark == target.npos) return Target{target, {}};
  return Target{target.substr(0, mark), target.substr(mark + 1)};
}

std::string_view routed_path(std::string_view path) {
  if (path.starts_with("//")) path.remove_prefix(1);
  return path;
}

bool percent_decode(std::string_view text, bool plus_is_space, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) return false;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0 || (high | low) == 0) return false;
      c = static_cast<char>(high << 4 | low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    out.push_back(c);
  }
  return true;
}

}  // namespace drover::http
