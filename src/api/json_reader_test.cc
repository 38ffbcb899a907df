#include "api/json_reader.h"

#include <gtest/gtest.h>

namespace drover::api {
namespace {

struct Read {
  std::optional<std::string> text;
  std::optional<std::int64_t> number;
  std::optional<bool> flag;
  StringList list{3};
  RecordList records{2, {"id", "address"}};
  std::string refusal;  // empty if it was taken
};

Read read(std::string_view body) {
  Read got;
  const Member members[] = {{"text", &got.text},
                            {"number", &got.number},
                            {"flag", &got.flag},
                            {"list", &got.list},
                            {"records", &got.records}};
  const auto done = read_json_object(body, members);
  if (!done) {
    EXPECT_EQ(done.error().status, 400u);
    EXPECT_EQ(done.error().code, "KOOPHONE.API.1000");
    EXPECT_FALSE(done.error().message.empty());
    got.refusal = done.error().message;
  }
  return got;
}

TEST(JsonReaderTest, FillsWhatIsAskedFor) {
  const Read got = read(R"( {"text":"a\u00e9\n","number":-7,"flag":true,"list":["x","","\u4e2d"],
      "records":[{"id":"1","address":"a"},{"address":"b"}]} )");
  EXPECT_EQ(got.refusal, "");
  EXPECT_EQ(got.text, "a\xc3\xa9\n");
  EXPECT_EQ(got.number, -7);
  EXPECT_EQ(got.flag, true);
  EXPECT_TRUE(got.list.present);
  EXPECT_EQ(got.list.items, (std::vector<std::string>{"x", "", "\xe4\xb8\xad"}));
  EXPECT_EQ(got.records.values, (std::vector<std::optional<std::string>>{"1", "a", std::nullopt, "b"}));
}

TEST(JsonReaderTest, LeavesAloneWhatIsMissing) {
  const Read got = read("{}");
  EXPECT_EQ(got.refusal, "");
  EXPECT_FALSE(got.text);
  EXPECT_FALSE(got.number);
  EXPECT_FALSE(got.flag);
  EXPECT_FALSE(got.list.present);
  EXPECT_FALSE(got.records.present);
}

TEST(JsonReaderTest, IgnoresUnknownMembersWhateverTheyHold) {
  const Read got =
      read(R"({"x":{"text":1,"list":[{"list":[[]]}]},"y":[1,"a",null,{}],"z":null,"n":1.5,"b":false,
      "records":[{"id":"1","more":{"id":[2]},"address":"a","last":[{}]}],"text":"t","w":"","list":["l"]})");
  EXPECT_EQ(got.refusal, "");
  EXPECT_EQ(got.text, "t");
  EXPECT_EQ(got.list.items, std::vector<std::string>{"l"});
  EXPECT_EQ(got.records.values, (std::vector<std::optional<std::string>>{"1", "a"}));
}

TEST(JsonReaderTest, CountsMoreThanItKeeps) {
  const Read got = read(R"({"list":["1","2","3","4","5"],
      "records":[{"id":"1"},{"id":"2"},{"id":"3"},{"id":"4","address":"x"}]})");
  EXPECT_EQ(got.refusal, "");
  EXPECT_EQ(got.list.count, 5u);
  EXPECT_EQ(got.list.items, (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(got.records.count, 4u);
  EXPECT_EQ(got.records.values,
            (std::vector<std::optional<std::string>>{"1", std::nullopt, "2", std::nullopt}));
}

TEST(JsonReaderTest, LastOfRepeatedMembersCounts) {
  const Read got =
      read(R"({"text":"a","list":["1","2"],"text":"b","list":["3"],"records":[{"id":"1"}],"records":[]})");
  EXPECT_EQ(got.text, "b");
  EXPECT_EQ(got.list.items, std::vector<std::string>{"3"});
  EXPECT_EQ(got.list.count, 1u);
  EXPECT_TRUE(got.records.present);
  EXPECT_EQ(got.records.count, 0u);
}

TEST(JsonReaderTest, WrongTypesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"text":1})", "text must be a string"},
      {R"({"text":null})", "text must be a string"},
      {R"({"text":["a"]})", "text must be a string"},
      {R"({"text":{"a":"b"}})", "text must be a string"},
      {R"({"text":true})", "text must be a string"},
      {R"({"number":"2"})", "number must be an integer"},
      {R"({"number":2.0})", "number must be an integer"},
      {R"({"number":1e3})", "number must be an integer"},
      {R"({"number":false})", "number must be an integer"},
      {R"({"flag":1})", "flag must be true or false"},
      {R"({"flag":"true"})", "flag must be true or false"},
      {R"({"list":"a"})", "list must be an array of strings"},
      {R"({"list":{}})", "list must be an array of strings"},
      {R"({"list":["a",1]})", "list[1] must be a string"},
      {R"({"list":["a","b",null]})", "list[2] must be a string"},
      {R"({"list":[["a"]]})", "list[0] must be a string"},
      {R"({"list":[{}]})", "list[0] must be a string"},
      {R"({"records":{}})", "records must be an array of objects"},
      {R"({"records":["a"]})", "records[0] must be an object"},
      {R"({"records":[{"id":"1"},7]})", "records[1] must be an object"},
      {R"({"records":[[]]})", "records[0] must be an object"},
      {R"({"records":[{"id":1}]})", "records[0].id must be a string"},
      {R"({"records":[{},{"address":{}}]})", "records[1].address must be a string"},
      {R"({"records":[{},{"address":[]}]})", "records[1].address must be a string"},
      {R"([])", "the body must be a JSON object"},
      {R"("text")", "the body must be a JSON object"},
      {R"(17)", "the body must be a JSON object"},
      {R"(null)", "the body must be a JSON object"},
  };
  for (const auto& [body, message] : cases) EXPECT_EQ(read(body).refusal, message) << body;
}

std::string refusal(std::string_view body, std::span<const Member> members) {
  const auto done = read_json_object(body, members);
  return done ? "taken" : done.error().message;
}

TEST(JsonReaderTest, MapsHoldStrings) {
  TextMap labels(2);
  RecordList list(2, {"id"});
  list.map = "labels";
  const Member members[] = {{"labels", &labels}, {"list", &list}};
  ASSERT_TRUE(read_json_object(
      R"({"labels":{"a":"1","a":"2","b":"3"},"list":[{"labels":{"x":"y"},"id":"i"},{"id":"j"},{"labels":{"z":"z"}}]})",
      members));
  EXPECT_TRUE(labels.present);
  EXPECT_EQ(labels.count, 3u);
  EXPECT_EQ(labels.items, (std::map<std::string, std::string, std::less<>>{{"a", "2"}}));
  EXPECT_EQ(list.count, 3u);
  EXPECT_EQ(list.values.size(), 2u);
  EXPECT_EQ(list.maps.at(0).items.at("x"), "y");

  EXPECT_EQ(refusal(R"({"labels":[]})", members), "labels must be an object of strings");
  EXPECT_EQ(refusal(R"({"labels":{"a":null}})", members), "labels must hold strings only");
  EXPECT_EQ(refusal(R"({"list":[{"labels":1}]})", members), "list[0].labels must be an object of strings");
  EXPECT_EQ(refusal(R"({"list":[{},{"labels":{"a":[]}}]})", members),
            "list[1].labels must hold strings only");
}

TEST(JsonReaderTest, NullIsForWhoMayBeNull) {
  NullableText text;
  RecordList list(9, {"project", "role"});
  list.nullable = "project";
  const Member members[] = {{"text", &text}, {"list", &list}};
  ASSERT_TRUE(
      read_json_object(R"({"list":[{"project":null,"role":"r"},{"role":"r"},{"project":"p"}]})", members));
  EXPECT_FALSE(text.present);
  EXPECT_TRUE(list.is_null(0));
  EXPECT_FALSE(list.is_null(1));
  EXPECT_FALSE(list.is_null(2));
  EXPECT_FALSE(list.is_null(3));
  EXPECT_EQ(list.values.at(4), "p");
  ASSERT_TRUE(read_json_object(R"({"text":null})", members));
  EXPECT_TRUE(text.present);
  EXPECT_FALSE(text.text);
  EXPECT_EQ(refusal(R"({"text":1})", members), "text must be a string or null");
  EXPECT_EQ(refusal(R"({"list":[{"project":{}}]})", members), "list[0].project must be a string or null");
  EXPECT_EQ(refusal(R"({"list":[{"role":null}]})", members), "list[0].role must be a string");
}

TEST(JsonReaderTest, BrokenJsonIsRefused) {
  for (const char* body :
       {"", " ", "{", R"({"text")", R"({"text":"a)", R"({"text":"a",})", R"({"text":'a'})", R"({text:"a"})",
        R"({"text":"a"}})", R"({"text":"a"} x)", R"({"number":01})", R"({"number":1e999999999999})",
        R"({"text":"\x41"})", R"({"text":"\ud800"})", R"({"text":"\udc00\ud800"})", "{\"text\":\"a\nb\"}",
        R"(/* */ {})", R"({"text":NaN})", "\xef\xbb\xbf{}"}) {
    EXPECT_NE(read(body).refusal, "") << body;
  }
  EXPECT_EQ(read("").refusal, "the body must be a whole JSON object: it ends too early");
  EXPECT_EQ(read("{} {}").refusal, "the body must be one JSON object: something follows it");
}

TEST(JsonReaderTest, InvalidUtf8IsRefused) {
  for (const char* body : {"{\"text\":\"\xff\"}", "{\"text\":\"\xc0\xaf\"}", "{\"text\":\"\xed\xa0\x80\"}",
                           "{\"text\":\"\xf4\x90\x80\x80\"}", "{\"text\":\"\xe4\xb8\"}", "{\"\xff\":1}",
                           "{\"other\":\"\xff\"}"}) {
    EXPECT_NE(read(body).refusal.find("UTF-8"), std::string::npos) << read(body).refusal;
  }
}

TEST(JsonReaderTest, DeepNestingIsRefused) {
  const auto nested = [](std::size_t depth) {
    return "{\"x\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_EQ(read(nested(16)).refusal, "");
  EXPECT_EQ(read(nested(17)).refusal, "the body must not be nested deeper than 16 levels");
  EXPECT_EQ(read("{\"x\":" + std::string(1'000'000, '[')).refusal,
            "the body must not be nested deeper than 16 levels");
}

TEST(JsonReaderTest, LargeIntegersAreHeldAtTheirLimit) {
  EXPECT_EQ(read(R"({"number":9223372036854775807})").number, INT64_MAX);
  EXPECT_EQ(read(R"({"number":18446744073709551615})").number, INT64_MAX);
  EXPECT_EQ(read(R"({"number":-9223372036854775808})").number, INT64_MIN);
  EXPECT_EQ(read(R"({"number":184467440737095516150})").refusal, "number must be an integer");
}

struct Nested {
  std::optional<std::string> text;
  std::optional<std::string> deep;
  std::optional<std::string> either;
  std::optional<std::string> inner;
  StringList list{3};
  AnyObject object;
  std::string refusal;  // empty if it was taken
};

Nested read_nested(std::string_view body) {
  Nested got;
  const Member members[] = {{"text", &got.text},       {"a.b.deep", &got.deep},
                            {"a.either", &got.either}, {"a.either.inner", &got.inner},
                            {"a.b.list", &got.list},   {"a.object", &got.object}};
  if (const auto done = read_json_object(body, members); !done) got.refusal = done.error().message;
  return got;
}

TEST(JsonReaderTest, MembersOfInnerObjectsHavePaths) {
  const Nested got = read_nested(
      R"({"a":{"x":{"deep":"no"},"b":{"list":["l"],"deep":"d","b":{"deep":"no"}},"text":"no",
      "object":{"deep":["no",{}]},"either":{"inner":"i","either":"no"}},"deep":"no","text":"t"})");
  EXPECT_EQ(got.refusal, "");
  EXPECT_EQ(got.text, "t");
  EXPECT_EQ(got.deep, "d");
  EXPECT_EQ(got.inner, "i");
  EXPECT_FALSE(got.either);
  EXPECT_EQ(got.list.items, (std::vector<std::string>{"l"}));
  EXPECT_TRUE(got.object.present);

  EXPECT_EQ(read_nested(R"({"a":{"either":"e"}})").either, "e");
  EXPECT_FALSE(read_nested(R"({"a":{"b":{}}})").object.present);
}

TEST(JsonReaderTest, NullStandsForAMissingInnerObject) {
  for (const char* body : {R"({"a":null})", R"({"a":{"b":null,"either":null,"object":null}})"}) {
    const Nested got = read_nested(body);
    EXPECT_EQ(got.refusal, "") << body;
    EXPECT_FALSE(got.object.present) << body;
  }
  EXPECT_EQ(read_nested(R"({"a":{"b":{"deep":null}}})").refusal, "a.b.deep must be a string");
}

TEST(JsonReaderTest, KeysWithDotsAreNoPaths) {
  const Nested got = read_nested(R"({"a.b.deep":"no","a.b":{"deep":"no"},"a":{"b.deep":"no"},"a.":{"b":1}})");
  EXPECT_EQ(got.refusal, "");
  EXPECT_FALSE(got.deep);
}

TEST(JsonReaderTest, RefusalsNameThePath) {
  EXPECT_EQ(read_nested(R"({"a":1})").refusal, "a must be an object");
  EXPECT_EQ(read_nested(R"({"a":[]})").refusal, "a must be an object");
  EXPECT_EQ(read_nested(R"({"a":"x"})").refusal, "a must be an object");
  EXPECT_EQ(read_nested(R"({"a":{"b":true}})").refusal, "a.b must be an object");
  EXPECT_EQ(read_nested(R"({"a":{"b":{"deep":{}}}})").refusal, "a.b.deep must be a string");
  EXPECT_EQ(read_nested(R"({"a":{"b":{"list":["x",1]}}})").refusal, "a.b.list[1] must be a string");
  EXPECT_EQ(read_nested(R"({"a":{"either":[]}})").refusal, "a.either must be a string or an object");
  EXPECT_EQ(read_nested(R"({"a":{"object":"x"}})").refusal, "a.object must be an object");
  EXPECT_EQ(read_nested(R"({"text":{}})").refusal, "text must be a string");
}

// Escapes reach the handler in parts, long texts too.
TEST(JsonReaderTest, LongTextsAndKeysInParts) {
  std::string text;
  std::string escaped;
  for (int i = 0; i < 5000; ++i) {
    text += "\n\xc3\xa9x";
    escaped += "\\n\\u00e9x";
  }
  EXPECT_EQ(read("{\"text\":\"" + escaped + "\"}").text, text);
  EXPECT_EQ(read("{\"te\\u0078t\":\"a\"}").text, "a");
  EXPECT_EQ(read("{\"" + escaped + "\":1,\"text\":\"b\"}").text, "b");
}

}  // namespace
}  // namespace drover::api
