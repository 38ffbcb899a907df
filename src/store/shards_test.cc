#include "store/shards.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

namespace drover::store {
namespace {

// Nodes of different versions serve one fleet while it is updated.
TEST(ShardsTest, AreTheSameForEver) {
  EXPECT_EQ(shard_of(1, "sim-00000"), 87);
  EXPECT_EQ(shard_of(2, "sim-00000"), 228);
  EXPECT_EQ(shard_of(1, ""), 74);
  EXPECT_EQ(shard_of(-1, "\xff"), 26);
}

TEST(ShardsTest, InstancesWithConsecutiveNamesSpread) {
  std::array<int, kShards> counts{};
  for (int i = 0; i < 25'600; ++i) ++counts[shard_of(1, "phone-" + std::to_string(i))];
  EXPECT_GT(*std::ranges::min_element(counts), 50);
  EXPECT_LT(*std::ranges::max_element(counts), 150);
  ShardSet few;
  for (int i = 0; i < 24; ++i) few.set(shard_of(1, "sim-0000" + std::to_string(i)));
  EXPECT_GT(few.count(), 18u);
}

}  // namespace
}  // namespace drover::store
