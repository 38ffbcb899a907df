#include "identity/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "identity/errc.h"
#include "identity/secret.h"

namespace drover::identity {
namespace {

constexpr std::int64_t kToleranceMs = 900'000;  // a quarter of an hour
constexpr std::string_view kDate = "x-sdk-date";
constexpr std::string_view kHost = "host";
constexpr std::string_view kProject = "x-project-id";
constexpr std::string_view kBodyHash = "x-sdk-content-sha256";
constexpr std::size_t kMostHeaders = 64;

Failure bad(std::string_view why) { return failure(Errc::kBadAuthorization, why); }

// Takes the next "name=value" off a list that is separated by commas and white space.
std::optional<std::string_view> take_part(std::string_view& list, std::string_view name) {
  while (!list.empty() && (list.front() == ' ' || list.front() == ',')) list.remove_prefix(1);
  if (!list.starts_with(name) || !list.substr(name.size()).starts_with('=')) return std::nullopt;
  list.remove_prefix(name.size() + 1);
  const std::string_view value = list.substr(0, list.find_first_of(", "));
  list.remove_prefix(value.size());
  return value;
}

// What names of headers in lower case, and the signs between them, are made of.
bool is_listed(char c) { return c > ' ' && c < '\x7f' && (c < 'A' || c > 'Z'); }

bool is_hex_digest(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

// Appends `text` decoded and encoded again, the way signers do it: all but unreserved characters as %XX.
bool recode(std::string_view text, bool plus_is_space, std::string& out) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high << 4 | low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (is_unreserved(c)) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
  }
  return true;
}

// Calls `each` with every part of `text` between separators, until it returns false.
template <typename Each>
bool split(std::string_view text, char separator, Each each) {
  while (true) {
    const std::size_t end = text.find(separator);
    if (!each(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

bool append_path(std::string_view path, std::string& out) {
  bool first = true;
  const bool good = split(path, '/', [&](std::string_view segment) {
    if (!std::exchange(first, false)) out += '/';
    return recode(segment, false, out);
  });
  if (out.empty() || out.back() != '/') out += '/';
  return good;
}

// Sorted by encoded name; the values of a repeated name stay in the order given.
bool append_query(std::string_view query, std::string& out) {
  if (query.empty()) return true;
  std::vector<std::pair<std::string, std::string>> parameters;
  const bool good = split(query, '&', [&](std::string_view parameter) {
    if (parameter.empty()) return true;
    const std::size_t equals = parameter.find('=');
    auto& [name, value] = parameters.emplace_back();
    if (!recode(parameter.substr(0, equals), true, name)) return false;
    return equals == std::string_view::npos || recode(parameter.substr(equals + 1), true, value);
  });
  if (!good) return false;
  std::ranges::stable_sort(parameters, {}, &std::pair<std::string, std::string>::first);
  for (const auto& [name, value] : parameters) {
    if (&name != &parameters.front().first) out += '&';
    out.append(name).append("=").append(value);
  }
  return true;
}

bool lists(std::string_view signed_headers, std::string_view name) {
  return !split(signed_headers, ';', [&](std::string_view listed) { return listed != name; });
}

std::optional<std::string> sha256_hex(std::string_view text) {
  static const Hasher hash;
  const auto digest = hash(text);
  if (!digest) return std::nullopt;
  return to_hex({reinterpret_cast<const char*>(digest->data()), digest->size()});
}

std::optional<std::string> hmac_hex(std::string_view key, std::string_view text) {
  std::array<char, 32> digest{};
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           reinterpret_cast<unsigned char*>(digest.data()), nullptr) == nullptr) {
    return std::nullopt;
  }
  return to_hex({digest.data(), digest.size()});
}

std::optional<int> number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

// 20240102T030405Z as milliseconds since 1970.
std::optional<std::int64_t> parse_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto year = number(text.substr(0, 4));
  const auto month = number(text.substr(4, 2));
  const auto day = number(text.substr(6, 2));
  const auto hour = number(text.substr(9, 2));
  const auto minute = number(text.substr(11, 2));
  const auto second = number(text.substr(13, 2));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto seconds = std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(*hour) +
                       std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  return std::chrono::duration_cast<std::chrono::milliseconds>(seconds).count();
}

Result<> check_date(const SignedRequest& request, std::int64_t unix_ms) {
  const auto date = parse_date(request.header(kDate).value);
  if (!date) return bad("X-Sdk-Date must be there, as 20240102T030405Z");
  const std::int64_t apart = *date > unix_ms ? *date - unix_ms : unix_ms - *date;
  if (apart > kToleranceMs) return failure(Errc::kStale, format_utc(unix_ms));
  return {};
}

Result<> check_signed(const SignedRequest& request, std::string_view signed_headers) {
  if (!lists(signed_headers, kDate)) return bad("X-Sdk-Date must be among the signed headers");
  for (const std::string_view name : {kHost, kProject}) {
    if (request.header(name).count > 0 && !lists(signed_headers, name)) {
      return bad("the header " + std::string(name) + " was sent and must be among the signed headers");
    }
  }
  return {};
}

Result<> check_body_hash(const SignedRequest& request, std::string_view body_hash) {
  const auto [announced, count] = request.header(kBodyHash);
  if (count == 0 || announced == body_hash) return {};
  if (announced == "UNSIGNED-PAYLOAD") {
    return bad("X-Sdk-Content-Sha256: UNSIGNED-PAYLOAD is not taken, the body must be signed");
  }
  return bad("X-Sdk-Content-Sha256 must be the SHA-256 of the body");
}

}  // namespace

Result<Authorization> parse_authorization(std::string_view header) {
  if (!header.starts_with(kSignatureScheme) || !header.substr(kSignatureScheme.size()).starts_with(' ')) {
    return bad("Authorization must begin with SDK-HMAC-SHA256");
  }
  header.remove_prefix(kSignatureScheme.size());
  const auto access = take_part(header, "Access");
  if (!access || access->empty() || access->size() > 128) return bad("Authorization has no Access=");
  const auto names = take_part(header, "SignedHeaders");
  if (!names || names->empty()) return bad("Authorization has no SignedHeaders=");
  if (!std::ranges::all_of(*names, is_listed)) return bad("SignedHeaders= must be names in lower case");
  const auto signature = take_part(header, "Signature");
  if (!signature || !is_hex_digest(*signature)) return bad("Signature= must be 64 lower-case hex digits");
  if (header.find_first_not_of(' ') != std::string_view::npos)
    return bad("Authorization goes on after Signature=");
  return Authorization{*access, *names, *signature};
}

Result<std::string> canonical_request(const SignedRequest& request, std::string_view signed_headers,
                                      std::string_view body_hash) {
  std::string path;
  if (!append_path(request.path, path)) return bad("the path is not percent-encoded properly");
  std::string query;
  if (!append_query(request.query, query)) return bad("the query is not percent-encoded properly");

  std::string out;
  out.append(request.method).append("\n").append(path).append("\n").append(query).append("\n");
  std::size_t listed = 0;
  std::string why;
  split(signed_headers, ';', [&](std::string_view name) {
    const auto [value, count] = request.header(name);
    if (++listed > kMostHeaders) {
      why = "more than 64 signed headers";
    } else if (name.empty() || count == 0) {
      why = "a signed header is missing: " + std::string(name.substr(0, 64));
    } else if (count > 1) {
      why = "a signed header comes more than once: " + std::string(name.substr(0, 64));
    }
    out.append(name).append(":").append(value).append("\n");
    return why.empty();
  });
  if (!why.empty()) return bad(why);
  out.append("\n").append(signed_headers).append("\n").append(body_hash);
  return out;
}

Result<> expect_signature(const SignedRequest& request, const Authorization& authorization,
                          std::int64_t unix_ms) {
  if (auto listed = check_signed(request, authorization.signed_headers); !listed) return listed;
  return check_date(request, unix_ms);
}

Result<> verify_signature(const SignedRequest& request, const Authorization& authorization,
                          std::string_view secret, std::int64_t unix_ms) {
  if (auto expected = expect_signature(request, authorization, unix_ms); !expected) return expected;
  const auto body_hash = sha256_hex(request.body);
  if (!body_hash) return failure(Errc::kBadSignature);
  if (auto same = check_body_hash(request, *body_hash); !same) return same;
  const auto canonical = canonical_request(request, authorization.signed_headers, *body_hash);
  if (!canonical) return Failure(canonical.error());
  const auto hash = sha256_hex(*canonical);
  if (!hash) return failure(Errc::kBadSignature);

  std::string to_sign(kSignatureScheme);
  to_sign.append("\n").append(request.header(kDate).value).append("\n").append(*hash);
  const auto expected = hmac_hex(secret, to_sign);
  if (!expected || expected->size() != authorization.signature.size() ||
      CRYPTO_memcmp(expected->data(), authorization.signature.data(), expected->size()) != 0) {
    return failure(Errc::kBadSignature);
  }
  return {};
}

}  // namespace drover::identity
