#include "base/token_text.h"

#include <gtest/gtest.h>

namespace drover {
namespace {

std::string hidden(std::string text, std::size_t from = 0) {
  hide_tokens(text, from);
  return text;
}

TEST(TokenTextTest, TokensAreHidden) {
  const std::string token = "drv_8rEaCZmUlhHdT8DZS8vhdj4l7M4nZJqX7-OkToZksI8";
  const std::string session = "drs_" + std::string(114, '-');
  EXPECT_EQ(hidden(token), "drv_***");
  EXPECT_EQ(hidden("no such token: " + token), "no such token: drv_***");
  EXPECT_EQ(hidden("/a/" + token + "/" + session + " 404"), "/a/drv_***/drs_*** 404");
  EXPECT_EQ(hidden("drdrv_" + session), "drdrv_***") << "however it begins";
  EXPECT_EQ(hidden("drv_" + std::string(29, 'x')), "drv_***") << "a token that was cut";
}

TEST(TokenTextTest, OtherTextStays) {
  for (const std::string text : {"", "d", "dr", "drv", "drv_", "dr_v", "/api/v1/tasks/drone"})
    EXPECT_EQ(hidden(text), text);
  const std::string id = "drv_" + std::string(28, 'x');  // the longest that an instance may have
  EXPECT_EQ(hidden("/api/v1/instances/" + id), "/api/v1/instances/" + id);
}

TEST(TokenTextTest, OnlyFromThere) {
  const std::string token = "drv_" + std::string(43, 'x');
  EXPECT_EQ(hidden(token + " " + token, token.size()), token + " drv_***");
}

}  // namespace
}  // namespace drover
