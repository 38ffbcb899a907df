#include "api/json_writer.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace drover::api {
namespace {

TEST(JsonWriterTest, SetsTheCommas) {
  std::string out;
  JsonWriter json(out);
  json.open_object().open_object("a").close_object().number("b", -12).boolean("c", true).null("d");
  json.open_array("e").open_object().text("f", "g").close_object().open_object().close_object().close_array();
  json.open_array("h").close_array().open_array("i").item("j\"").item("k").close_array();
  json.boolean("l", false).close_object();
  EXPECT_EQ(out, R"({"a":{},"b":-12,"c":true,"d":null,"e":[{"f":"g"},{}],"h":[],"i":["j\"","k"],"l":false})");
}

TEST(JsonWriterTest, ItemsAndRawJson) {
  std::string out;
  JsonWriter json(out);
  json.open_object().open_array("names").item("a").item("\"").close_array();
  json.raw("policy", R"({"b":[]})").number("n", 1).close_object();
  EXPECT_EQ(out, R"({"names":["a","\""],"policy":{"b":[]},"n":1})");
}

TEST(JsonWriterTest, WritesIdsAndTimes) {
  Id id;
  id.bytes[0] = 0xab;
  std::string out;
  JsonWriter(out)
      .open_object()
      .id("id", id.job(2))
      .time("at", 1'700'000'000'123)
      .time("never", 0)
      .close_object();
  EXPECT_EQ(out, R"({"id":"ab000000000000000000000000000003","at":"2023-11-14T22:13:20.123Z","never":null})");
}

TEST(JsonWriterTest, EveryByteComesBack) {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  std::string out;
  JsonWriter(out).open_object().text("t", all).close_object();
  EXPECT_EQ(boost::json::parse(out).at("t").as_string(), all);
  EXPECT_NE(out.find(R"(\u0000\u0001)"), std::string::npos);
  EXPECT_NE(out.find(R"(\b\t\n\u000b\f\r)"), std::string::npos);
}

// Texts are looked through several bytes at a time: each byte at each place, and two together.
TEST(JsonWriterTest, EscapesAreFoundAtEveryPlace) {
  for (const std::string& special :
       {std::string("\""), std::string("\\"), std::string(1, '\0'), std::string("\x1f"), std::string("\n"),
        std::string("\xc3\xa9"), std::string(" !#[]\x7f")}) {
    for (std::size_t at = 0; at < 20; ++at) {
      for (std::size_t gap = 0; gap < 20; ++gap) {
        const std::string text = std::string(at, 'a') + special + std::string(gap, '~') + special + "b";
        std::string out;
        JsonWriter(out).open_object().text("t", text).close_object();
        ASSERT_EQ(boost::json::parse(out).at("t").as_string(), text);
      }
    }
  }
}

TEST(JsonWriterTest, WhatIsNoUtf8IsReplaced) {
  std::string out;
  JsonWriter(out).open_object().text("t", "a\xff\"b\xc3").close_object();
  EXPECT_EQ(out, "{\"t\":\"a\xEF\xBF\xBD\\\"b\xEF\xBF\xBD\"}");
}

TEST(JsonWriterTest, LimitNeverCutsACharacter) {
  std::string out;
  JsonWriter(out)
      .open_object()
      .text("a", "abc", 2)
      .text("b", "a\xc3\xa9", 2)
      .text("c", "a\xc3\xa9", 3)
      .close_object();
  EXPECT_EQ(out, "{\"a\":\"ab\",\"b\":\"a\",\"c\":\"a\xc3\xa9\"}");
}

}  // namespace
}  // namespace drover::api
