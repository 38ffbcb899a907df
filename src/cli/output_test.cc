#include "cli/output.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::cli {
namespace {

TEST(IndentedJson, KeepsListsOfPlainValuesOnALine) {
  const boost::json::value policy = boost::json::parse(
      R"({"Version":"1.1","Statement":[{"Effect":"Allow","Action":["a","b"]},{"Effect":"Deny","Action":[]}],"x":{}})");
  const std::string text = indented_json(policy);
  EXPECT_EQ(text, R"({
  "Version": "1.1",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["a","b"]
    },
    {
      "Effect": "Deny",
      "Action": []
    }
  ],
  "x": {}
})");
  EXPECT_EQ(boost::json::parse(text), policy);
}

TEST(IndentedJson, EscapesAsJsonDoes) {
  EXPECT_EQ(indented_json(boost::json::parse(R"({"a\"\n":"\u0001"})")), "{\n  \"a\\\"\\n\": \"\\u0001\"\n}");
  EXPECT_EQ(indented_json(7), "7");
}

}  // namespace
}  // namespace drover::cli
