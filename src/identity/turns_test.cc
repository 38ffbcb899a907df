#include "identity/turns.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace drover::identity {
namespace {

TEST(TurnsTest, OneAfterTheOtherInOrder) {
  Turns turns;
  std::vector<int> begun;
  Turn first;
  turns.take([&](Turn turn) {
    begun.push_back(1);
    first = std::move(turn);
  });
  turns.take([&](const Turn&) { begun.push_back(2); });
  turns.take([&](const Turn&) { begun.push_back(3); });
  EXPECT_EQ(begun, std::vector{1});
  first.reset();
  EXPECT_EQ(begun, (std::vector{1, 2, 3}));
  turns.take([&](const Turn&) { begun.push_back(4); });
  EXPECT_EQ(begun.size(), 4u);
}

TEST(TurnsTest, ATurnMayTakeAnother) {
  Turns turns;
  std::vector<int> begun;
  turns.take([&](const Turn&) {
    turns.take([&](const Turn&) { begun.push_back(2); });
    begun.push_back(1);
  });
  EXPECT_EQ(begun, (std::vector{1, 2}));
}

TEST(TurnsTest, AnyNumberThatEndAtOnceNeedNoStack) {
  Turns turns;
  Turn first;
  turns.take([&](Turn turn) { first = std::move(turn); });
  int begun = 0;
  for (int i = 0; i < 200'000; ++i) turns.take([&](const Turn&) { ++begun; });
  first.reset();
  EXPECT_EQ(begun, 200'000);
}

TEST(TurnsTest, NeverTwoFromAnyThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  Turns turns;
  int inside = 0;  // not atomic: turns exclude each other
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        turns.take([&, i](Turn turn) {
          ++inside;
          std::thread ender;
          if (i % 100 == 0) ender = std::thread([turn] {});
          turn.reset();
          if (ender.joinable()) ender.join();
          ++done;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, kThreads * kEach);
  EXPECT_EQ(inside, kThreads * kEach);
}

}  // namespace
}  // namespace drover::identity
