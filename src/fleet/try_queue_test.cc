#include "fleet/try_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace drover::fleet {
namespace {

constexpr bool kFailing = true;

std::vector<std::uint32_t> pop_all(TryQueue& queue) {
  std::vector<std::uint32_t> slots;
  while (const auto slot = queue.pop()) slots.push_back(*slot);
  return slots;
}

TEST(TryQueue, NoMoreAtOnceThanItsLimit) {
  TryQueue queue;
  for (std::uint32_t slot = 0; slot < 1'000; ++slot) queue.push(slot, slot % 2 == 0);
  unsigned begun = 0;
  for (; queue.pop(); ++begun) queue.begun();
  EXPECT_EQ(begun, TryQueue::kAtOnce);
  queue.over();
  ASSERT_TRUE(queue.pop());
  queue.begun();
  EXPECT_FALSE(queue.pop());
}

TEST(TryQueue, WhatIsNotBegunTakesNoPlace) {
  TryQueue queue;
  for (std::uint32_t slot = 0; slot < 1'000; ++slot) queue.push(slot, !kFailing);
  EXPECT_EQ(pop_all(queue).size(), 1'000u);
}

TEST(TryQueue, FirstTriesGoBeforeThoseThatFailed) {
  TryQueue queue;
  for (std::uint32_t slot = 100; slot < 110; ++slot) queue.push(slot, kFailing);
  for (std::uint32_t slot = 0; slot < TryQueue::kTurnsOfFirst; ++slot) queue.push(slot, !kFailing);
  EXPECT_THAT(pop_all(queue),
              testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109));
}

TEST(TryQueue, FailingOnesAreNotShutOut) {
  TryQueue queue;
  for (std::uint32_t slot = 1'000; slot < 1'010; ++slot) queue.push(slot, kFailing);
  // Phones that come and go for ever: there is always one more of them.
  std::vector<std::uint32_t> failing;
  int turns = 0;
  for (; failing.size() < 10 && turns < 1'000; ++turns) {
    queue.push(1, !kFailing);
    const auto slot = queue.pop();
    ASSERT_TRUE(slot);
    if (*slot >= 1'000) failing.push_back(*slot);
  }
  EXPECT_EQ(failing.size(), 10u);
  EXPECT_TRUE(std::is_sorted(failing.begin(), failing.end()));
  EXPECT_EQ(turns, 10 * (static_cast<int>(TryQueue::kTurnsOfFirst) + 1));
}

}  // namespace
}  // namespace drover::fleet
