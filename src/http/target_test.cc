#include "http/target.h"

#include <gtest/gtest.h>

namespace drover::http {
namespace {

TEST(Target, SplitsPathAndQuery) {
  const auto expect = [](std::string_view text, std::string_view path, std::string_view query) {
    const auto target = split_target(text);
    ASSERT_TRUE(target) << text;
    EXPECT_EQ(target->path, path) << text;
    EXPECT_EQ(target->query, query) << text;
  };
  expect("/", "/", "");
  expect("/?", "/", "");
  expect("/a/b?c=d?e", "/a/b", "c=d?e");
  expect("//a//b", "//a//b", "");
  expect("//?a", "//", "a");
  expect("http://h", "/", "");
  expect("http://h?a", "/", "a");
  expect("HTTPS://user@h:1//a%2f?b", "//a%2f", "b");
}

TEST(Target, OneEmptySegmentAtTheBeginningIsForgiven) {
  EXPECT_EQ(routed_path("/"), "/");
  EXPECT_EQ(routed_path("/a"), "/a");
  EXPECT_EQ(routed_path("//a//b"), "/a//b");
  EXPECT_EQ(routed_path("//"), "/");
  EXPECT_EQ(routed_path("///a"), "//a");
}

TEST(Target, RefusesOtherForms) {
  for (const std::string_view text :
       {"", "*", "a", "?a", "host:443", "http://", "http:///a", "http://?a", "ftp://h/a"}) {
    EXPECT_FALSE(split_target(text)) << text;
  }
}

TEST(PercentDecode, Decodes) {
  std::string out = "kept ";
  EXPECT_TRUE(percent_decode("a%20%2f%C3%a9+", false, out));
  EXPECT_EQ(out, "kept a /\xc3\xa9+");
  out.clear();
  EXPECT_TRUE(percent_decode("a+b%2B", true, out));
  EXPECT_EQ(out, "a b+");
}

TEST(PercentDecode, RefusesMalformedEscapesAndNul) {
  for (const std::string_view text : {"%", "a%", "%4", "%4g", "%g4", "%%41", "%00", "a%00b"}) {
    std::string out;
    EXPECT_FALSE(percent_decode(text, false, out)) << text;
  }
}

}  // namespace
}  // namespace drover::http
