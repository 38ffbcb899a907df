#include "base/token_text.h"

#include <algorithm>
#include <string_view>

namespace drover {
namespace {

constexpr std::size_t kPrefix = 4;         // "drv_" of operators' tokens, "drs_" of sessions'
constexpr std::size_t kLongestIdEnd = 28;  // characters of an instance id behind such a beginning

bool is_base64url(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

void hide_tokens(std::string& text, std::size_t from) {
  for (std::size_t at = from; (at = text.find("dr", at)) != std::string::npos;) {
    const std::string_view prefix = std::string_view(text).substr(at, kPrefix);
    if (prefix != "drv_" && prefix != "drs_") {
      ++at;
      continue;
    }
    at += kPrefix;
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = std::find_if_not(begin, text.end(), is_base64url);
    if (static_cast<std::size_t>(end - begin) > kLongestIdEnd) text.replace(begin, end, "***");
  }
}

}  // namespace drover
