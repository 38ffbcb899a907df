#include "identity/state.h"

#include <algorithm>
#include <array>

#include "base/id.h"
#include "store/errc.h"

namespace drover::identity {
namespace {

constexpr std::size_t kLongestName = 64;

bool is_of(std::string_view name, std::string_view further) {
  if (name.empty() || name.size() > kLongestName) return false;
  return std::ranges::all_of(name, [further](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || further.find(c) != further.npos;
  });
}

}  // namespace

bool is_name(std::string_view name) { return is_of(name, {}); }

bool is_user_name(std::string_view name) {
  return is_of(name, ".@ ") && name.front() != ' ' && name.back() != ' ' && name != "." && name != "..";
}

std::string make_id() {
  std::array<char, 16> random{};
  fill_random(random.data(), random.size());
  return to_hex({random.data(), random.size()});
}

Failure not_found(std::string_view what, std::string_view name) {
  std::string message = "no such ";
  message.append(what).append(": ").append(name.substr(0, kLongestName));
  return Failure(Error{make_error_code(Errc::kNotFound), std::move(message)});
}

Failure exists(std::string_view what, std::string_view name) {
  std::string message(what);
  message.append(" exists already: ").append(name.substr(0, kLongestName));
  return Failure(Error{make_error_code(store::Errc::kExists), std::move(message)});
}

}  // namespace drover::identity
