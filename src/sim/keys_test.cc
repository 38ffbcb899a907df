#include "sim/keys.h"

#include <gtest/gtest.h>

#include "sim/errc.h"
#include "sim/test_key.h"

namespace drover::sim {
namespace {

const std::string kToken = "12345678901234567890";

TEST(AcceptedKeys, OnlyItsKeysOpen) {
  const TestKey one;
  const TestKey two;
  const TestKey stranger;
  const auto keys = AcceptedKeys::parse(one.line() + "# a comment\n\n" + two.line());
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_TRUE((*keys)->verify(kToken, one.sign(kToken)));
  EXPECT_TRUE((*keys)->verify(kToken, two.sign(kToken)));
  EXPECT_FALSE((*keys)->verify(kToken, stranger.sign(kToken)));
  EXPECT_FALSE((*keys)->verify("another token, 20 by", one.sign(kToken)));
  EXPECT_FALSE((*keys)->verify(kToken, ""));
  EXPECT_FALSE((*keys)->verify(kToken, std::string(256, 'x')));
}

TEST(AcceptedKeys, ADamagedKeyIsRefusedWithItsLine) {
  const std::string good = TestKey().line();
  // A character of each: the size, n0inv, the modulus, rr.
  for (const std::size_t at : {0U, 7U, 100U, 500U}) {
    std::string bad = good;
    bad[at] = bad[at] == 'B' ? 'C' : 'B';
    const auto keys = AcceptedKeys::parse(good + bad);
    ASSERT_FALSE(keys) << at;
    EXPECT_EQ(keys.error().code, Errc::kBadKeys);
    EXPECT_NE(keys.error().message.find("line 2"), std::string::npos);
  }
  EXPECT_FALSE(AcceptedKeys::parse("hello\n"));
  EXPECT_FALSE(AcceptedKeys::parse(good.substr(0, 300)));
}

TEST(AcceptedKeys, AMissingFileIsNamed) {
  const auto keys = AcceptedKeys::read("/nonexistent/keys");
  ASSERT_FALSE(keys);
  EXPECT_NE(keys.error().message.find("/nonexistent/keys"), std::string::npos);
}

}  // namespace
}  // namespace drover::sim
