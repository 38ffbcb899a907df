// The body of a login, which anybody may send: whatever comes, it is taken by the rules or refused with a
// reason that tells nothing of what was sent.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/keystone/login_request.h"
#include "base/utf8.h"
#include "identity/password.h"

namespace {

namespace keystone = drover::api::keystone;

constexpr std::size_t kLongestMessage = 300;

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_text(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest && drover::is_utf8(text);
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto login =
      keystone::parse_login_request(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!login) {
    const std::string_view message = login.error().message;
    require(login.error().status == 400 && !message.empty());
    require(message.size() <= kLongestMessage && is_printable(message));
    return 0;
  }
  require(is_text(login->user, keystone::kLongestName));
  require(is_text(login->password, drover::identity::kLongestPassword));
  require(login->project.empty() || is_text(login->project, keystone::kLongestName));
  require(login->project.empty() || !login->unscoped);
  return 0;
}
