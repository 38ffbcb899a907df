#include "identity/state.h"

#include <algorithm>
#include <array>

#include "base/id.h"
#include "store/errc.h"

namespace drover::identity {
namespace {

constexpr std::size_t kLongestName = 64;

}  // namespace

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestName) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
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
