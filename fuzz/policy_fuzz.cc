// Policies, which administrators write, and session tokens, which anybody may send.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64url.h"
#include "identity/errc.h"
#include "identity/master_key.h"
#include "identity/policy.h"
#include "identity/session_token.h"

namespace {

using namespace drover::identity;

void require(bool holds) {
  if (!holds) std::abort();
}

// The obvious way, one row of the table at a time.
bool matches(std::string_view pattern, std::string_view text) {
  std::vector<char> row(text.size() + 1, 0);
  row[0] = 1;
  for (const char c : pattern) {
    char before = row[0];
    row[0] = c == '*' ? before : 0;
    for (std::size_t i = 1; i <= text.size(); ++i) {
      const char above = row[i];
      row[i] = c == '*' ? (row[i - 1] || above) : (before && c == text[i - 1]);
      before = above;
    }
  }
  return row.back() != 0;
}

void match(std::string_view input) {
  input = input.substr(0, kLongestPolicy / 4);  // so that the table stays small
  const std::string_view pattern = input.substr(0, input.find('\n'));
  const std::string_view text = input.substr(std::min(pattern.size() + 1, input.size()));
  require(glob_match(pattern, text) == matches(pattern, text));
  require(glob_match("*", text) && glob_match(text, text));
}

void read_policy(std::string_view text) {
  auto policy = parse_policy("p", text);
  if (!policy) return require(policy.error().code == Errc::kBadPolicy && !policy.error().message.empty());
  require(text.size() <= kLongestPolicy && !policy->statements.empty() && policy->statements.size() <= 100);
  const Permissions permissions({std::make_shared<const Policy>(*std::move(policy))});
  const Labels labels{{"team", "blue"}};
  for (std::size_t i = 0; i < kActions; ++i) {
    const auto action = static_cast<Action>(i);
    for (const std::string_view id : {"", "phone-1"}) {
      const Resource resource{id, labels};
      const bool allowed = permissions.allows(action, resource);
      const auto decision = permissions.decide(action, resource);
      require(decision.allowed == allowed && !decision.why.empty());
      const auto verdict = permissions.verdict(action);
      if (verdict != Permissions::Verdict::kByInstance) {
        require(allowed == (verdict == Permissions::Verdict::kAllowed));
      }
    }
  }
}

const MasterKey& key() {
  static const MasterKey made = [] {
    std::string folder = (std::filesystem::temp_directory_path() / "drover-fuzz-XXXXXX").string();
    require(::mkdtemp(folder.data()) != nullptr);
    auto key = MasterKey::load_or_make(folder + "/key");
    std::filesystem::remove_all(folder);
    return key.value();
  }();
  return made;
}

// No token that the fuzzer can make opens, not one that differs from a right one either.
void open_token(std::string_view input) {
  require(!open_session(key(), input));
  require(!open_session(key(), std::string("drs_").append(drover::base64url(input))));
  static const std::string right = seal_session(key(), {7, 3, 1, 2, {}});
  std::string changed = right;
  changed.replace(input.empty() ? 0 : static_cast<unsigned char>(input[0]) % changed.size(), input.size(),
                  input);
  require(open_session(key(), changed).has_value() == (changed == right));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  match(input);
  read_policy(input);
  read_policy(std::string(R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":")").append(input) +
              "\"}]}");
  open_token(input);
  return 0;
}
