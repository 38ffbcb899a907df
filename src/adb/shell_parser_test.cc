#include "adb/shell_parser.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace drover::adb {
namespace {

struct Line {
  PidLine::State state;
  std::uint32_t group;
  bool crlf;
  std::string rest;  // what is output
};

Line read_line(std::string_view bytes, std::size_t piece) {
  PidLine line;
  std::string rest;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    if (line.state() == PidLine::State::kPending && line.take(part) == PidLine::State::kAbsent)
      rest += line.held();
    rest += part;
  }
  if (line.state() == PidLine::State::kPending) rest += line.held();
  return {line.state(), line.group(), line.crlf(), rest};
}

TEST(PidLineTest, IsTakenOutInAnyPieces) {
  for (const std::size_t piece : {1, 2, 3, 7, 8, 100}) {
    const Line line = read_line("drover:4711\nhello\n", piece);
    EXPECT_EQ(line.state, PidLine::State::kFound);
    EXPECT_EQ(line.group, 4711U);
    EXPECT_FALSE(line.crlf);
    EXPECT_EQ(line.rest, "hello\n");
  }
}

TEST(PidLineTest, TellsATerminal) {
  const Line line = read_line("drover:2147483647\r\nx", 1);
  EXPECT_EQ(line.group, 2147483647U);
  EXPECT_TRUE(line.crlf);
  EXPECT_EQ(line.rest, "x");
}

TEST(PidLineTest, WhatIsNotTheLineIsOutput) {
  for (const std::string text :
       {"hello", "\n", "drove", "drover;1\n", "drover:\n", "drover:1\n", "drover:0\n", "drover:-5\n",
        "drover:12x\n", "drover:2147483648\n", "drover:99999999999\n", "drover:00000000000000000000\n",
        "drover:12\r\r\n", "drover:12\rx\n", "drover: 12\n", "drover:\r\n", "Drover:12\n"}) {
    for (const std::size_t piece : {1, 5, 100}) {
      const Line line = read_line(text, piece);
      EXPECT_NE(line.state, PidLine::State::kFound) << text;
      EXPECT_EQ(line.group, 0U) << text;
      EXPECT_EQ(line.rest, text);
    }
  }
}

std::string v2(char id, std::string_view data) {
  std::string packet(1, id);
  for (unsigned shift = 0; shift < 32; shift += 8) packet += static_cast<char>(data.size() >> shift);
  return packet.append(data);
}

struct V2Result {
  std::string out, err;
  int exit_code = -1;
  bool bad = false;
};

V2Result parse_v2(std::string_view bytes, const std::function<std::size_t()>& next_size) {
  ShellV2Parser parser;
  V2Result result;
  while (!bytes.empty() && !result.bad) {
    const std::string copy(bytes.substr(0, next_size()));
    bytes.remove_prefix(copy.size());
    std::string_view part = copy;
    for (bool more = true; more;) {
      const ShellV2Parser::Piece piece = parser.next(part);
      switch (piece.kind) {
        case ShellV2Parser::Kind::kMore:
          EXPECT_TRUE(part.empty());
          more = false;
          break;
        case ShellV2Parser::Kind::kStdout:
          EXPECT_FALSE(piece.data.empty());
          result.out += piece.data;
          break;
        case ShellV2Parser::Kind::kStderr:
          EXPECT_FALSE(piece.data.empty());
          result.err += piece.data;
          break;
        case ShellV2Parser::Kind::kExit:
          result.exit_code = piece.exit_code;
          break;
        case ShellV2Parser::Kind::kBad:
          result.bad = true;
          more = false;
          break;
      }
    }
  }
  return result;
}

TEST(ShellV2ParserTest, AnyPieces) {
  const std::string big(70'000, 'b');
  const std::string bytes =
      v2(1, "out") + v2(2, "err") + v2(1, "") + v2(2, "") + v2(1, big) + v2(1, "end") + v2(3, "\xff");
  std::mt19937 random(3);
  std::uniform_int_distribution<std::size_t> small(1, 9);
  std::uniform_int_distribution<std::size_t> large(1, 50'000);
  const std::vector<std::function<std::size_t()>> ways = {[] { return 1U; }, [&] { return bytes.size(); },
                                                          [&] { return small(random); },
                                                          [&] { return large(random); }};
  for (const auto& way : ways) {
    const V2Result result = parse_v2(bytes, way);
    EXPECT_EQ(result.out, "out" + big + "end");
    EXPECT_EQ(result.err, "err");
    EXPECT_EQ(result.exit_code, 255);
    EXPECT_FALSE(result.bad);
  }
}

TEST(ShellV2ParserTest, ALengthBeyondAnyBufferIsStreamed) {
  const V2Result result = parse_v2(std::string("\x01\xff\xff\xff\xff", 5) + "abc", [] { return 4U; });
  EXPECT_EQ(result.out, "abc");
  EXPECT_FALSE(result.bad);
}

TEST(ShellV2ParserTest, RefusesWhatAdbdNeverSends) {
  const auto all = [] { return std::size_t{1000}; };
  EXPECT_TRUE(parse_v2(v2(0, "stdin"), all).bad);
  EXPECT_TRUE(parse_v2(v2(4, ""), all).bad);
  EXPECT_TRUE(parse_v2(v2('x', "y"), all).bad);
  EXPECT_TRUE(parse_v2(v2(3, ""), all).bad);
  EXPECT_TRUE(parse_v2(v2(3, "12"), all).bad);
}

struct LegacyResult {
  std::string out;
  std::optional<int> exit_code;
};

constexpr std::string_view kMarker = "drover-00112233aabbccdd:";

LegacyResult parse_legacy(std::string_view bytes, std::size_t piece, bool crlf = true) {
  LegacyParser parser{std::string(kMarker), crlf};
  LegacyResult result;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    parser.feed(bytes.substr(0, piece), result.out);
  }
  result.exit_code = parser.finish(result.out);
  return result;
}

TEST(LegacyParserTest, FindsTheExitCodeInAnyPieces) {
  const std::string bytes = "one\r\ntwo, no newline" + std::string(kMarker) + "137\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const LegacyResult result = parse_legacy(bytes, piece);
    EXPECT_EQ(result.out, "one\ntwo, no newline");
    EXPECT_EQ(result.exit_code, 137);
  }
}

TEST(LegacyParserTest, UndoesOneCrPerNewlineOnly) {
  const LegacyResult result = parse_legacy("a\r\r\nb\rc\r", 1);
  EXPECT_EQ(result.out, "a\r\nb\rc\r");
  EXPECT_EQ(parse_legacy("a\r\n", 1, false).out, "a\r\n");
}

TEST(LegacyParserTest, OnlyTheLastMarkerCounts) {
  const std::string marker(kMarker);
  const std::string bytes = "+ echo " + marker + "0\r\n" + marker + "5\r\n";
  for (const std::size_t piece : {1, 3, 1000}) {
    const LegacyResult result = parse_legacy(bytes, piece);
    EXPECT_EQ(result.out, "+ echo " + marker + "0\n");
    EXPECT_EQ(result.exit_code, 5);
  }
}

TEST(LegacyParserTest, WhatOnlyLooksLikeTheMarkerIsOutput) {
  const std::string marker(kMarker);
  const std::vector<std::string> texts = {"d",
                                          "drover-",
                                          "ddrover-001",
                                          "drover-00112233drover-00112233aabbccdd",
                                          marker,
                                          marker + "7",
                                          marker + "\n",
                                          marker + "256\n",
                                          marker + "1234\n",
                                          marker + "1 \n",
                                          marker + "$?\n",
                                          marker + "1\nmore",
                                          marker + marker};
  for (const std::string& text : texts) {
    for (const std::size_t piece : {1, 4, 1000}) {
      const LegacyResult result = parse_legacy(text, piece);
      EXPECT_EQ(result.out, text);
      EXPECT_EQ(result.exit_code, std::nullopt) << text;
    }
  }
}

TEST(LegacyParserTest, MarkerAfterItsOwnBeginning) {
  const std::string marker(kMarker);
  const LegacyResult result = parse_legacy("drover-0" + marker.substr(0, 10) + marker + "0\n", 1);
  EXPECT_EQ(result.out, "drover-0" + marker.substr(0, 10));
  EXPECT_EQ(result.exit_code, 0);
}

}  // namespace
}  // namespace drover::adb
