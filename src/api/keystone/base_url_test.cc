#include "api/keystone/base_url.h"

#include <gtest/gtest.h>

#include "api/testing/fake_request.h"

namespace drover::api::keystone {
namespace {

std::string base_of(const std::string& host, bool secure = false) {
  FakeRequest request;
  request.is_secure = secure;
  request.headers.emplace("Host", host);
  return base_url(request).value_or("refused");
}

TEST(BaseUrlTest, IsWhatHostSays) {
  for (const std::string host : {"node", "node:8080", "a-b_c.example.com", "192.0.2.7:1", "[2001:db8::7]",
                                 "[::ffff:192.0.2.7]:65535", "localhost"}) {
    EXPECT_EQ(base_of(host), "http://" + host);
    EXPECT_EQ(base_of(host, true), "https://" + host);
  }
}

// It becomes part of URLs in JSON and of a header.
TEST(BaseUrlTest, HoldsNothingElse) {
  for (const std::string host :
       {"",    ":80", "a b",  "a:",     "a:x",    "a:123456",     "a:80:80", "u@a",
        "a/b", "a?b", "a#b",  "a\"b",   "a\\b",   "a%41",         "a\tb",    "\xc3\xa9",
        "[",   "[]",  "[::1", "[::1]x", "[::1]:", "[::1%25eth0]", "::1"}) {
    EXPECT_EQ(base_of(host), "refused") << host;
  }
  EXPECT_EQ(base_of(std::string(255, 'a')), "http://" + std::string(255, 'a'));
  EXPECT_EQ(base_of(std::string(256, 'a')), "refused");
  const auto missing = base_url(FakeRequest());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().status, 400u);
}

}  // namespace
}  // namespace drover::api::keystone
