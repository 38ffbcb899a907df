#include "cli/labels.h"

#include <gtest/gtest.h>

#include "cli/errc.h"

namespace drover::cli {
namespace {

TEST(Labels, AreKeysAndValues) {
  EXPECT_EQ(parse_labels({"team=blue", "rack=7"}).value(), (Labels{{"rack", "7"}, {"team", "blue"}}));
  EXPECT_EQ(parse_labels({}).value(), Labels{});
  EXPECT_EQ(parse_label_list("a.b=c_d;e-f=0").value(), (Labels{{"a.b", "c_d"}, {"e-f", "0"}}));
  EXPECT_EQ(parse_label_list("a=1;").value(), (Labels{{"a", "1"}}));
  EXPECT_EQ(parse_label_list("").value(), Labels{});
}

TEST(Labels, RefuseWhatPoliciesCouldNotSelect) {
  for (const std::string text : {"", "a", "=b", "a=", "a=b=c", "a b=c", "a=b;", "team=\xe8\x93\x9d"}) {
    const Result<Labels> labels = parse_labels({text});
    ASSERT_FALSE(labels) << text;
    EXPECT_EQ(labels.error().code, Errc::kUsage);
    EXPECT_NE(labels.error().message.find("must be KEY=VALUE"), std::string::npos);
  }
  EXPECT_TRUE(parse_labels({std::string(64, 'k') + "=" + std::string(64, 'v')}));
  EXPECT_FALSE(parse_labels({std::string(65, 'k') + "=v"}));
  EXPECT_FALSE(parse_labels({"k=" + std::string(65, 'v')}));
}

TEST(Labels, AKeyHasOneValue) {
  EXPECT_EQ(parse_labels({"a=1", "a=1"}).error().message, "label \"a=1\": that key is there already");
  EXPECT_FALSE(parse_label_list("a=1;b=2;a=3"));
}

}  // namespace
}  // namespace drover::cli
