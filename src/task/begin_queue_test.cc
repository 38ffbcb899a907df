#include "task/begin_queue.h"

#include <gtest/gtest.h>

namespace drover::task {
namespace {

TEST(BeginQueue, ProjectsTakeTurns) {
  BeginQueue queue;
  for (std::uint32_t slot = 0; slot < 1000; ++slot) queue.push(1, slot);
  queue.push(2, 5000);
  EXPECT_EQ(queue.pop(), 0u);
  EXPECT_EQ(queue.pop(), 5000u);  // not behind the other 999
  EXPECT_EQ(queue.pop(), 1u);
}

TEST(BeginQueue, KeepsTheOrderWithinAProject) {
  BeginQueue queue;
  queue.push(1, 7);
  queue.push(1, 3);
  EXPECT_EQ(queue.pop(), 7u);
  queue.push(1, 7);
  EXPECT_EQ(queue.pop(), 3u);
  EXPECT_EQ(queue.pop(), 7u);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pop(), std::nullopt);
}

}  // namespace
}  // namespace drover::task
