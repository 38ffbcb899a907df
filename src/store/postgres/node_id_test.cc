#include "store/postgres/node_id.h"

#include <gtest/gtest.h>

#include <fstream>

#include "store/errc.h"
#include "store/testing/store_fixture.h"

namespace drover::store::postgres {
namespace {

TEST(NodeIdTest, StaysTheSameAndIsOnesOwn) {
  const TempDir dir;
  auto first = NodeId::take(dir.file("node"));
  ASSERT_TRUE(first) << first.error().message;
  const std::string text = first->text();
  EXPECT_EQ(text.size(), 32u);
  EXPECT_EQ(NodeId::take(dir.file("node")).error().code, Errc::kLocked);
  first->release();
  EXPECT_EQ(NodeId::take(dir.file("node"))->text(), text);
  EXPECT_NE(NodeId::take(dir.file("other"))->text(), text);
}

TEST(NodeIdTest, AFileThatHoldsSomethingElseIsNamed) {
  const TempDir dir;
  std::ofstream(dir.file("node")) << "not a node's name, though long enough\n";
  const auto taken = NodeId::take(dir.file("node"));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Errc::kCorrupt);
  EXPECT_NE(taken.error().message.find(dir.file("node")), std::string::npos);
}

TEST(NodeIdTest, AFolderThatIsNotThereIsNamed) {
  const TempDir dir;
  EXPECT_EQ(NodeId::take(dir.file("none/node")).error().code, Errc::kUnavailable);
}

}  // namespace
}  // namespace drover::store::postgres
