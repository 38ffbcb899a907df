#include "base/base64url.h"

#include <gtest/gtest.h>

namespace drover {
namespace {

std::string decoded(std::string_view text, std::size_t size) {
  std::string out(size, '?');
  return decode_base64url(text, out) ? out : "refused";
}

TEST(Base64Url, IsWrittenAsTheStandardHasIt) {
  EXPECT_EQ(base64url(""), "");
  EXPECT_EQ(base64url("f"), "Zg");
  EXPECT_EQ(base64url("fo"), "Zm8");
  EXPECT_EQ(base64url("foo"), "Zm9v");
  EXPECT_EQ(base64url("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64url("\xfb\xff\xfe"), "-__-");
}

TEST(Base64Url, IsReadAsItWasWritten) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64url(bytes).size(), base64url_size(bytes.size()));
    EXPECT_EQ(decoded(base64url(bytes), bytes.size()), bytes);
    bytes += static_cast<char>(i * 37);
  }
}

// All texts of two characters and of three: each that is taken is what would have been written.
TEST(Base64Url, HasOneSpelling) {
  int taken = 0;
  char one = 0;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text{static_cast<char>(a), static_cast<char>(b)};
      if (!decode_base64url(text, {&one, 1})) continue;
      EXPECT_EQ(base64url({&one, 1}), text);
      ++taken;
    }
  }
  EXPECT_EQ(taken, 256);
  for (const std::string text : {"Zm8=", "Zm", "Zm8A", "Zm9", "Zm+", "Zm/", "Zm ", " m8", "Z 8", "Zm\xbf"}) {
    EXPECT_EQ(decoded(text, 2), "refused") << text;
  }
  EXPECT_EQ(decoded("A", 0), "refused");
  EXPECT_EQ(decoded("", 1), "refused");
}

}  // namespace
}  // namespace drover
