#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/utf8.h"

namespace drover {
namespace {

using namespace std::string_literals;

TEST(JsonEscape, EscapesWhatJsonForbids) {
  EXPECT_EQ(json_escape("plain, \xc3\xa9 and / stay"), "plain, \xc3\xa9 and / stay");
  EXPECT_EQ(json_escape("\"\\\n\r\t"), R"(\"\\\n\r\t)");
  EXPECT_EQ(json_escape("\0\x01\x1f\x7f"s), R"(\u0000\u0001\u001f\u007f)");
  EXPECT_EQ(json_escape(""), "");
}

TEST(JsonEscape, GivesUtf8WhateverComes) {
  EXPECT_EQ(json_escape("a\xff\"\xc3"), "a\xef\xbf\xbd\\\"\xef\xbf\xbd");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_TRUE(is_utf8(json_escape(all)));
}

// Standard error goes into a pipe while this lives.
class StderrPipe {
 public:
  StderrPipe() : saved_(::dup(STDERR_FILENO)) {
    if (::pipe2(ends_.data(), O_NONBLOCK) != 0) std::abort();
    ::dup2(ends_[1], STDERR_FILENO);
  }
  ~StderrPipe() {
    ::dup2(saved_, STDERR_FILENO);
    for (const int fd : {saved_, ends_[0], ends_[1]}) ::close(fd);
  }

  std::string read() {
    std::string text(32'768, '\0');
    const ssize_t size = ::read(ends_[0], text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }

 private:
  int saved_;
  std::array<int, 2> ends_{};
};

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { spdlog::set_default_logger(before_); }

  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  StderrPipe stderr_;
};

constexpr const char* kTime = R"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)";

TEST_F(LogTest, TextLinesWaitForTheFlush) {
  ASSERT_TRUE(start_logging({}));
  spdlog::info("one");
  spdlog::info("two");
  spdlog::debug("not asked for");
  EXPECT_EQ(stderr_.read(), "");
  flush_log();
  EXPECT_THAT(stderr_.read(), testing::MatchesRegex(kTime + " info    one\n"s + kTime + " info    two\n"s));
}

TEST_F(LogTest, WarningIsWrittenAtOnce) {
  ASSERT_TRUE(start_logging({}));
  spdlog::warn("now");
  EXPECT_THAT(stderr_.read(), testing::MatchesRegex(kTime + " warning now\n"s));
}

TEST_F(LogTest, LinesCannotBeForged) {
  ASSERT_TRUE(start_logging({}));
  spdlog::warn("a\n2026-01-01T00:00:00.000Z info b\x1b[2J");
  EXPECT_THAT(stderr_.read(), testing::EndsWith(R"( warning a\n2026-01-01T00:00:00.000Z info b\u001b[2J)"
                                                "\n"));
}

TEST_F(LogTest, TextLinesKeepQuotes) {
  ASSERT_TRUE(start_logging({}));
  spdlog::warn("database \"a\\n\"\n");
  EXPECT_THAT(stderr_.read(), testing::EndsWith(R"( warning database "a\\n"\n)"
                                                "\n"));
}

TEST_F(LogTest, JsonLines) {
  ASSERT_TRUE(start_logging({.level = "debug", .format = LogFormat::kJson}));
  spdlog::debug("say \"{}\"", "\xff");
  flush_log();
  const std::string line = stderr_.read();
  EXPECT_THAT(line, testing::HasSubstr("\xef\xbf\xbd"));
  EXPECT_THAT(line, testing::MatchesRegex(R"(\{"time":")"s + kTime +
                                          R"(","level":"debug","message":"say \\"(.*)\\""\})"
                                          "\n"));
}

TEST_F(LogTest, FullBufferIsWritten) {
  ASSERT_TRUE(start_logging({}));
  std::size_t seen = 0;
  for (int line = 0; line < 1'000 && seen == 0; ++line) {
    spdlog::info(std::string(1'000, 'x'));
    seen += stderr_.read().size();
  }
  EXPECT_GT(seen, 0u);
}

TEST_F(LogTest, UnknownLevelIsRefused) {
  const auto refused = start_logging({.level = "loud"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("log level"));
  EXPECT_TRUE(start_logging({.level = "off"}));
}

}  // namespace
}  // namespace drover
