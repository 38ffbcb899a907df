#include "base/utf8.h"

#include <gtest/gtest.h>

#include <array>

namespace drover {
namespace {

using namespace std::string_literals;

// The first and the last character of each length, and their neighbours around the surrogates.
const std::array kCharacters = {
    "\0"s,           "\x7f"s,         "\xc2\x80"s,     "\xdf\xbf"s,         "\xe0\xa0\x80"s,
    "\xed\x9f\xbf"s, "\xee\x80\x80"s, "\xef\xbf\xbf"s, "\xf0\x90\x80\x80"s, "\xf4\x8f\xbf\xbf"s};

// Each is bytes none of which belongs to a character (RFC 3629, section 4).
const std::array kNonsense = {
    "\x80"s,  // a continuation without a start
    "\xbf"s,
    "\xc0\x80"s,
    "\xc1\xbf"s,  // overlong
    "\xe0\x80\x80"s,
    "\xe0\x9f\xbf"s,  // overlong
    "\xf0\x80\x80\x80"s,
    "\xf0\x8f\xbf\xbf"s,  // overlong
    "\xed\xa0\x80"s,
    "\xed\xbf\xbf"s,  // surrogates
    "\xf4\x90\x80\x80"s,
    "\xf5\x80\x80\x80"s,
    "\xff\xfe"s,  // too large
};

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

TEST(Utf8, KeepsWhatIsWellFormed) {
  std::string all;
  for (const std::string& character : kCharacters) {
    EXPECT_TRUE(is_utf8(character));
    EXPECT_EQ(to_utf8(character), character);
    all += character;
  }
  EXPECT_TRUE(is_utf8(all));
  EXPECT_EQ(to_utf8(all), all);
  EXPECT_TRUE(is_utf8(""));
  EXPECT_EQ(to_utf8(""), "");
}

TEST(Utf8, ReplacesEachByteThatIsNot) {
  for (const std::string& bytes : kNonsense) {
    EXPECT_FALSE(is_utf8(bytes));
    std::string expected = "a";
    for (std::size_t i = 0; i < bytes.size(); ++i) expected += kReplacement;
    EXPECT_EQ(to_utf8("a" + bytes + "b"), expected + "b");
  }
}

TEST(Utf8, CharactersThatAreCutOffAreInvalid) {
  for (const std::string& character : kCharacters) {
    for (std::size_t size = 1; size < character.size(); ++size) {
      const std::string cut = character.substr(0, size);
      EXPECT_FALSE(is_utf8(cut));
      EXPECT_FALSE(is_utf8(cut + "a"));
      EXPECT_TRUE(is_utf8(to_utf8(cut)));
      EXPECT_TRUE(to_utf8(cut + "a").ends_with('a'));
    }
  }
}

TEST(Utf8, LimitNeverCutsACharacter) {
  for (const std::string& character : kCharacters) {
    const std::string text = "ab" + character;
    EXPECT_EQ(to_utf8(text, text.size()), text);
    EXPECT_EQ(to_utf8(text, text.size() - 1), "ab");
  }
  EXPECT_EQ(to_utf8("abc", 0), "");
  EXPECT_EQ(to_utf8("abc", 2), "ab");
  EXPECT_EQ(to_utf8("a\xff", 3), "a");  // the replacement would take three bytes
  EXPECT_EQ(to_utf8("a\xff", 4), "a" + std::string(kReplacement));
}

TEST(Utf8, AnyBytesBecomeUtf8WithinTheLimit) {
  std::uint32_t state = 1;
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(round % 64, '\0');
    for (char& byte : bytes) {
      state = state * 1'664'525 + 1'013'904'223;
      // Mostly bytes that start or continue long characters.
      byte = static_cast<char>(state >> 31 ? 0x80 | state >> 24 : state >> 24);
    }
    const std::size_t limit = state % 80;
    const std::string text = to_utf8(bytes, limit);
    EXPECT_TRUE(is_utf8(text));
    EXPECT_LE(text.size(), limit);
    EXPECT_TRUE(!is_utf8(bytes) || bytes.starts_with(text));
  }
}

}  // namespace
}  // namespace drover
