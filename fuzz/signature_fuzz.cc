// A signed request as anybody may send it: the Authorization header, and the request that is brought to one
// form. What is in that form already must come out of it unchanged, and only the right signature is right.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "identity/errc.h"
#include "identity/signature.h"

namespace {

using namespace drover::identity;

constexpr std::int64_t kNow = 1'704'164'645'000;  // 20240102T030405Z

void require(bool holds) {
  if (!holds) std::abort();
}

// Takes what stands before the next line feed.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

void parse(std::string_view header) {
  const auto parsed = parse_authorization(header);
  if (!parsed)
    return require(parsed.error().code == Errc::kBadAuthorization && !parsed.error().message.empty());
  for (const std::string_view part : {parsed->access_key, parsed->signed_headers, parsed->signature}) {
    require(!part.empty() && part.data() >= header.data());
    require(part.data() + part.size() <= header.data() + header.size());
  }
  require(parsed->signature.size() == 64 && parsed->access_key.size() <= 128);
}

// Everything but the headers, which stay as they are.
std::string in_one_form(const SignedRequest& request, std::string_view names) {
  const auto made = canonical_request(request, names, "hash");
  if (!made) require(made.error().code == Errc::kBadAuthorization);
  return made.value_or("");
}

void bring_to_one_form(const SignedRequest& request, std::string_view names) {
  const std::string once = in_one_form(request, names);
  if (once.empty()) return;
  std::string_view rest = once;
  SignedRequest formed = request;
  formed.method = take_line(rest);
  formed.path = take_line(rest);
  formed.query = take_line(rest);
  require(formed.method == request.method && formed.path.ends_with('/'));
  require(rest.ends_with("\nhash") && once.size() <= 64 * 1024 * 64);
  require(in_one_form(formed, names) == once);
}

// No signature that the fuzzer can find is right.
void verify(const SignedRequest& request, std::string_view names) {
  const std::string signature(64, 'a');
  const auto verified = verify_signature(request, {"AK", names, signature}, "a secret", kNow);
  require(!verified && !verified.error().message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  parse(input);
  parse(std::string("SDK-HMAC-SHA256 Access=").append(input));

  std::string_view rest = input;
  const std::string_view path = take_line(rest);
  const std::string_view query = take_line(rest);
  const std::string_view names = take_line(rest);
  const std::string_view value = take_line(rest);
  const SignedRequest request{"POST", path, query, rest, [&](std::string_view name) {
                                if (name == "x-sdk-date") return SignedRequest::Header{"20240102T030405Z", 1};
                                return SignedRequest::Header{value, name.size() % 3};
                              }};
  bring_to_one_form(request, names);
  verify(request, names);
  verify(request, "host;x-project-id;x-sdk-date");
  return 0;
}
