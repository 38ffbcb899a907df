#include "store/postgres/fair_share.h"

#include <gtest/gtest.h>

#include <random>

namespace drover::store::postgres {
namespace {

// All give at once, as each has worked it out.
std::size_t give(ShardCounts& counts) {
  std::size_t given = 0;
  const ShardCounts before = counts;
  for (const auto& [giver, count] : before) {
    const auto gift = gift_of(giver, before);
    if (!gift) continue;
    counts[giver] -= gift->count;
    counts[gift->taker] += gift->count;
    given += gift->count;
  }
  return given;
}

std::size_t give_until_even(ShardCounts& counts) {
  std::size_t all = 0;
  while (const std::size_t given = give(counts)) all += given;
  return all;
}

TEST(FairShareTest, ANewcomerGetsItsShareFromAll) {
  ShardCounts counts{{1, 64}, {2, 64}, {3, 64}, {4, 64}, {5, 0}};
  EXPECT_EQ(give(counts), 51u);
  EXPECT_EQ(counts, (ShardCounts{{1, 52}, {2, 51}, {3, 51}, {4, 51}, {5, 51}}));
  EXPECT_EQ(give(counts), 0u);
}

TEST(FairShareTest, TwoNewcomersAreGivenAtOnce) {
  ShardCounts counts{{1, 128}, {2, 128}, {3, 0}, {4, 0}};
  EXPECT_EQ(give(counts), 128u);
  EXPECT_EQ(counts, (ShardCounts{{1, 64}, {2, 64}, {3, 64}, {4, 64}}));
}

TEST(FairShareTest, SmallDifferencesStay) {
  ShardCounts counts{{1, 86}, {2, 86}, {3, 84}};
  EXPECT_EQ(give(counts), 0u);
}

TEST(FairShareTest, NobodyIsLeftWithNothing) {
  ShardCounts counts;
  for (int node = 1; node <= 100; ++node) counts[node] = node <= 85 ? 3 : 0;
  counts[1] = 4;
  give_until_even(counts);
  for (const auto& [node, count] : counts) EXPECT_GE(count, 1u) << node;
}

TEST(FairShareTest, NoShardMovesTwice) {
  std::mt19937 random(1);
  for (int round = 0; round < 1'000; ++round) {
    ShardCounts counts;
    for (int i = 0; i < 256; ++i) ++counts[std::uniform_int_distribution<int>(1, 1 + round % 9)(random)];
    for (int newcomer = 0; newcomer <= round % 3; ++newcomer) counts[100 + newcomer] = 0;
    const ShardCounts before = counts;
    const std::size_t moved = give_until_even(counts);
    std::size_t gained = 0;
    std::size_t least = 256;
    std::size_t most = 0;
    for (const auto& [node, count] : counts) {
      if (count > before.at(node)) gained += count - before.at(node);
      least = std::min(least, count);
      most = std::max(most, count);
    }
    EXPECT_EQ(moved, gained);
    EXPECT_LT(most, least + 3);
  }
}

}  // namespace
}  // namespace drover::store::postgres
