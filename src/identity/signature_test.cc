#include "identity/signature.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "base/id.h"
#include "identity/errc.h"

namespace drover::identity {
namespace {

constexpr std::int64_t kSignedAt = 1704164645000;  // 20240102T030405Z
constexpr std::int64_t kMinute = 60'000;

// A request as a client sent it.
struct Sent {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string secret = "SKTEST-secret";
  std::int64_t now = kSignedAt;
  std::string canonical;  // as the SDK had it

  static std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
  }

  std::string* header(std::string_view name) {
    for (auto& [known, value] : headers) {
      if (lower(known) == lower(name)) return &value;
    }
    return nullptr;
  }

  Result<> verify() {
    const std::string authorization = *header("Authorization");
    auto parsed = parse_authorization(authorization);
    if (!parsed) return Failure(parsed.error());
    return verify_signature(request(), *parsed, secret, now);
  }

  SignedRequest request() {
    const std::size_t question = std::min(target.find('?'), target.size());
    const std::string_view whole = target;
    return {method, whole.substr(0, question), whole.substr(std::min(question + 1, whole.size())), body,
            [this](std::string_view name) {
              const auto same = [&](const auto& pair) { return lower(pair.first) == name; };
              const auto count = static_cast<std::size_t>(std::ranges::count_if(headers, same));
              const std::string* first = header(name);
              return SignedRequest::Header{first ? std::string_view(*first) : std::string_view(), count};
            }};
  }

  // Signs it as it is now, with these headers.
  void sign(const std::string& names) {
    const auto hex = [](const unsigned char* digest) {
      return to_hex({reinterpret_cast<const char*>(digest), 32});
    };
    std::array<unsigned char, 32> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data());
    const std::string text = canonical_request(request(), names, hex(digest.data())).value();
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    const std::string to_sign = "SDK-HMAC-SHA256\n" + *header("X-Sdk-Date") + "\n" + hex(digest.data());
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(to_sign.data()), to_sign.size(), digest.data(), nullptr);
    *header("Authorization") =
        "SDK-HMAC-SHA256 Access=AKTEST, SignedHeaders=" + names + ", Signature=" + hex(digest.data());
  }
};

// Of what was not refused: 0.
std::error_code code_of(const Result<>& result) { return result ? std::error_code() : result.error().code; }

// What release 3.1.212 of the Java SDK signed and sent.
std::vector<Sent> vectors() {
  std::ifstream file(DROVER_SIGNING_VECTORS);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const boost::json::value parsed = boost::json::parse(text);
  std::vector<Sent> out;
  for (const auto& entry : parsed.as_array()) {
    Sent sent;
    sent.method = entry.at("method").as_string().c_str();
    sent.target = entry.at("target").as_string().c_str();
    sent.body = entry.at("body").as_string().c_str();
    sent.canonical = entry.at("canonical_request").as_string().c_str();
    for (const auto& pair : entry.at("headers").as_array()) {
      sent.headers.emplace_back(pair.at(0).as_string().c_str(), pair.at(1).as_string().c_str());
    }
    out.push_back(std::move(sent));
  }
  return out;
}

TEST(Signature, RequestsOfTheJavaSdkAreGenuine) {
  ASSERT_EQ(vectors().size(), 8u);
  for (Sent& sent : vectors()) {
    const auto verified = sent.verify();
    EXPECT_TRUE(verified) << sent.target << ": " << verified.error().message;
    const auto parsed = parse_authorization(*sent.header("Authorization"));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->access_key, "AKTEST");
    const std::string hash = sent.canonical.substr(sent.canonical.rfind('\n') + 1);
    EXPECT_EQ(canonical_request(sent.request(), parsed->signed_headers, hash), sent.canonical);
  }
}

// One text of a request, and which changes of it mean the same.
struct Part {
  std::string what;
  std::function<std::string*(Sent&)> text;
  std::function<bool(const std::string& before, const std::string& after, std::size_t at)> same_meaning;
};

bool never(const std::string&, const std::string&, std::size_t) { return false; }

// %4f and %4F are the same byte, and "a&&b" is "a&b".
bool same_target(const std::string& before, const std::string& after, std::size_t at) {
  if (after.size() > before.size()) return before[at] == '&';
  const bool in_escape = (at >= 1 && before[at - 1] == '%') || (at >= 2 && before[at - 2] == '%');
  return after.size() == before.size() && in_escape && Sent::lower(before) == Sent::lower(after);
}

// What stands between the parts may be longer or shorter; and another access key has another secret.
bool same_authorization(const std::string& before, const std::string& after, std::size_t at) {
  const auto parsed = parse_authorization(after);
  const bool other_key = parsed && parsed->access_key != "AKTEST";
  const bool more_between =
      after.size() != before.size() && parsed && (before[at] == ',' || before[at] == ' ');
  return other_key || more_between;
}

std::vector<Part> parts_of(Sent& sent) {
  std::vector<Part> parts{
      {"method", [](Sent& s) { return &s.method; }, never},
      {"target", [](Sent& s) { return &s.target; }, same_target},
      {"body", [](Sent& s) { return &s.body; }, never},
      {"secret", [](Sent& s) { return &s.secret; }, never},
      {"Authorization", [](Sent& s) { return s.header("Authorization"); }, same_authorization}};
  const std::string authorization = *sent.header("Authorization");
  std::string names(parse_authorization(authorization)->signed_headers);
  for (std::istringstream list(names); std::getline(list, names, ';');) {
    parts.push_back({names, [name = names](Sent& s) { return s.header(name); }, never});
  }
  return parts;
}

// Every bit of what is signed turned over, every byte left out and every byte doubled, one at a time.
TEST(Signature, NoByteMayDiffer) {
  std::size_t changes = 0;
  for (Sent& sent : vectors()) {
    for (const Part& part : parts_of(sent)) {
      const std::string before = *part.text(sent);
      const auto refused = [&](const std::string& after, std::size_t at) {
        if (after == before || part.same_meaning(before, after, at)) return;
        Sent changed = sent;
        *part.text(changed) = after;
        EXPECT_FALSE(changed.verify()) << part.what << " of " << sent.target << ": " << after;
        ++changes;
      };
      for (std::size_t at = 0; at < before.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
          std::string after = before;
          after[at] = static_cast<char>(after[at] ^ 1 << bit);
          refused(after, at);
        }
        refused(before.substr(0, at) + before.substr(at + 1), at);
        refused(before.substr(0, at + 1) + before.substr(at), at);
      }
      if (part.what != "Authorization" && part.what != "target") refused(before + " ", before.size());
    }
  }
  EXPECT_GT(changes, 25'000u);
}

TEST(Signature, ASignedHeaderComesOnce) {
  for (const Sent& sent : vectors()) {
    Sent first = sent;
    for (const Part& part : parts_of(first)) {
      if (sent.headers.end() == std::ranges::find_if(sent.headers, [&](const auto& pair) {
            return Sent::lower(pair.first) == part.what;
          })) {
        continue;
      }
      Sent twice = sent;
      twice.headers.emplace_back(part.what, *part.text(twice));
      const auto verified = twice.verify();
      ASSERT_FALSE(verified) << part.what;
      EXPECT_EQ(verified.error().code, Errc::kBadAuthorization);
      EXPECT_NE(verified.error().message.find("more than once: " + part.what), std::string::npos);
    }
  }
}

TEST(Signature, IsGoodForAQuarterOfAnHour) {
  Sent sent = vectors().front();
  sent.now = kSignedAt + 15 * kMinute;
  EXPECT_TRUE(sent.verify());
  sent.now = kSignedAt - 15 * kMinute;
  EXPECT_TRUE(sent.verify());
  sent.now = kSignedAt + 15 * kMinute + 1;
  EXPECT_EQ(code_of(sent.verify()), Errc::kStale);
  // Whoever has a wrong clock must see the right time.
  EXPECT_NE(sent.verify().error().message.find("2024-01-02T03:19:05"), std::string::npos);
  sent.now = kSignedAt - 15 * kMinute - 1;
  EXPECT_EQ(code_of(sent.verify()), Errc::kStale);
}

TEST(Signature, HeadersThatDecideMustBeSigned) {
  Sent sent = vectors()[1];  // signed without a project
  sent.headers.emplace_back("X-Project-Id", "somebody-elses");
  EXPECT_EQ(code_of(sent.verify()), Errc::kBadAuthorization);
  sent.sign("host;x-project-id;x-sdk-date");
  EXPECT_TRUE(sent.verify());
  for (const std::string names : {"host;x-project-id", "host;x-sdk-date", "x-project-id;x-sdk-date"}) {
    sent.sign(names);
    EXPECT_EQ(code_of(sent.verify()), Errc::kBadAuthorization) << names;
  }
}

TEST(Signature, AnAnnouncedHashIsTheBodys) {
  Sent sent = vectors()[1];
  sent.headers.emplace_back("X-Sdk-Content-Sha256",
                            "f61815bce7e6fb144a622c132b18bd124b99914da7985f5e8a33123f5f20ab06");
  EXPECT_TRUE(sent.verify());
  sent.sign("host;x-sdk-content-sha256;x-sdk-date");
  EXPECT_TRUE(sent.verify());
  Sent twice = sent;
  twice.headers.push_back(twice.headers.back());
  EXPECT_EQ(code_of(twice.verify()), Errc::kBadAuthorization);

  // Signed as it is sent, as an SDK would do it: right but for what it leaves out.
  const auto refusal = [&](const std::string& hash) {
    *sent.header("X-Sdk-Content-Sha256") = hash;
    sent.sign("host;x-sdk-content-sha256;x-sdk-date");
    const auto verified = sent.verify();
    EXPECT_EQ(code_of(verified), Errc::kBadAuthorization);
    return verified ? "" : verified.error().message;
  };
  EXPECT_NE(refusal("UNSIGNED-PAYLOAD").find("the body must be signed"), std::string::npos);
  EXPECT_NE(refusal(std::string(64, '0')).find("SHA-256 of the body"), std::string::npos);
  EXPECT_NE(refusal("").find("SHA-256 of the body"), std::string::npos);
}

// An endpoint that ends with a slash makes two of them, and they are signed.
TEST(Signature, TwoSlashesAtTheBeginningAreNotOne) {
  Sent sent = vectors()[1];
  sent.target = "/" + sent.target;
  EXPECT_FALSE(sent.verify());
  sent.sign("host;x-sdk-date");
  EXPECT_TRUE(sent.verify());
  sent.target = sent.target.substr(1);
  EXPECT_FALSE(sent.verify());
}

TEST(Signature, WhatIsWrongWithoutTheBodyIsSaidWithoutIt) {
  Sent sent = vectors()[0];
  const std::string authorization = *sent.header("Authorization");
  const Authorization parsed = parse_authorization(authorization).value();
  sent.body.clear();
  EXPECT_TRUE(expect_signature(sent.request(), parsed, kSignedAt));
  EXPECT_EQ(code_of(expect_signature(sent.request(), parsed, kSignedAt + 16 * kMinute)), Errc::kStale);
  sent.header("X-Sdk-Date")->pop_back();
  EXPECT_EQ(code_of(expect_signature(sent.request(), parsed, kSignedAt)), Errc::kBadAuthorization);
}

TEST(Signature, MalformedAuthorizations) {
  const std::string digest(64, 'a');
  for (const std::string& header :
       {std::string(), std::string("Bearer x"), std::string("SDK-HMAC-SHA256"),
        std::string("SDK-HMAC-SHA256 "), "SDK-HMAC-SHA256 SignedHeaders=host, Signature=" + digest,
        "SDK-HMAC-SHA256 Access=a, Signature=" + digest,
        "SDK-HMAC-SHA256 Access=, SignedHeaders=host, Signature=" + digest,
        "SDK-HMAC-SHA256 Access=a, SignedHeaders=, Signature=" + digest,
        "SDK-HMAC-SHA256 Access=a, SignedHeaders=Host, Signature=" + digest,
        "SDK-HMAC-SHA256 Access=a, SignedHeaders=host;\xff, Signature=" + digest,
        std::string("SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=abc"),
        "SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=" + digest + ", Access=b",
        "SDK-HMAC-SHA256 Access=" + std::string(200, 'a') + ", SignedHeaders=host, Signature=" + digest,
        "SDK-HMAC-SHA256X Access=a, SignedHeaders=host, Signature=" + digest}) {
    const auto parsed = parse_authorization(header);
    ASSERT_FALSE(parsed) << header;
    EXPECT_EQ(parsed.error().code, Errc::kBadAuthorization) << header;
  }
}

TEST(Signature, PathsAndQueriesInOneForm) {
  const auto canonical = [](std::string_view path, std::string_view query) {
    const SignedRequest request{"GET", path, query, "", [](std::string_view) {
                                  return SignedRequest::Header{"v", 1};
                                }};
    const auto made = canonical_request(request, "host", "hash");
    return made ? made->substr(4, made->find("\nhost:") - 4) : std::string("refused");
  };
  EXPECT_EQ(canonical("/", ""), "/\n");
  EXPECT_EQ(canonical("/a", ""), "/a/\n");
  EXPECT_EQ(canonical("/a/", ""), "/a/\n");
  EXPECT_EQ(canonical("//v1/a", ""), "//v1/a/\n");
  EXPECT_EQ(canonical("/a+b*%7e~%2f", ""), "/a%2Bb%2A~~%2F/\n");
  EXPECT_EQ(canonical("/a", "b=2&a=x+y&a=%2B&c&"), "/a/\na=x%20y&a=%2B&b=2&c=");
  std::string values = "v=0";
  for (int i = 1; i < 40; ++i) values += "&v=" + std::to_string(i);
  EXPECT_EQ(canonical("/", values + "&a=1"), "/\na=1&" + values);  // those of one name as they came
  EXPECT_EQ(canonical("/%e4%b8%ad", ""), "/%E4%B8%AD/\n");
  EXPECT_EQ(canonical("/%4", ""), "refused");
  EXPECT_EQ(canonical("/%zz", ""), "refused");
  EXPECT_EQ(canonical("/a", "%4=1"), "refused");
}

TEST(Signature, SignedHeadersAreThereAndNotTooMany) {
  const SignedRequest request{"GET", "/", "", "", [](std::string_view name) {
                                return SignedRequest::Header{"h", name == "host" ? 1U : 0U};
                              }};
  EXPECT_TRUE(canonical_request(request, "host", ""));
  EXPECT_FALSE(canonical_request(request, "host;other", ""));
  EXPECT_FALSE(canonical_request(request, "host;;host", ""));
  std::string many = "host";
  for (int i = 0; i < 64; ++i) many += ";host";
  EXPECT_FALSE(canonical_request(request, many, ""));
}

}  // namespace
}  // namespace drover::identity
