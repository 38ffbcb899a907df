#include "identity/failure_table.h"

#include <gtest/gtest.h>

namespace drover::identity {
namespace {

constexpr Millis kMemory = std::chrono::hours(1);
const SteadyTime kStart = SteadyTime() + std::chrono::hours(1'000);

std::uint32_t failures(FailureTable& table, std::uint64_t key, SteadyTime now = kStart) {
  const auto* entry = table.find(key, now);
  return entry == nullptr ? 0 : entry->failures;
}

void fail(FailureTable& table, std::uint64_t key, int times, SteadyTime now = kStart) {
  for (int i = 0; i < times; ++i) table.add(key, now);
}

TEST(FailureTable, Counts) {
  FailureTable table(kMemory);
  EXPECT_EQ(table.find(1, kStart), nullptr);
  for (std::uint32_t i = 1; i <= 200; ++i) {
    table.add(1, kStart);
    EXPECT_EQ(failures(table, 1), i);
  }
  EXPECT_EQ(failures(table, 2), 0u);
  for (std::uint32_t i = 200; i-- > 0;) {
    table.take_back(1);
    EXPECT_EQ(failures(table, 1), i);
  }
  EXPECT_EQ(table.size(), 0u);
  table.take_back(1);
  fail(table, 3, 10);
  table.erase(3);
  table.erase(3);
  EXPECT_EQ(failures(table, 3), 0u);
}

TEST(FailureTable, ForgetsAfterAWhileWithoutFailures) {
  FailureTable table(kMemory);
  fail(table, 1, 10);
  table.add(1, kStart + kMemory - Millis(1));
  EXPECT_EQ(failures(table, 1, kStart + 2 * kMemory - Millis(2)), 11u);
  EXPECT_EQ(failures(table, 1, kStart + 2 * kMemory - Millis(1)), 0u);
  EXPECT_EQ(table.size(), 0u);
  fail(table, 2, 10);
  table.add(2, kStart + kMemory);
  EXPECT_EQ(failures(table, 2, kStart + kMemory), 1u);
}

TEST(FailureTable, HoldsNoMoreThanItsBoundAndTheLatest) {
  FailureTable table(kMemory);
  constexpr std::uint64_t kKeys = 3 * FailureTable::kMostKeys;
  for (std::uint64_t key = 0; key < kKeys; ++key) table.add(key, kStart);
  EXPECT_EQ(table.size(), FailureTable::kMostKeys);
  EXPECT_EQ(failures(table, kKeys - FailureTable::kMostKeys), 1u);
  EXPECT_EQ(failures(table, kKeys - FailureTable::kMostKeys - 1), 0u);
}

TEST(FailureTable, ManyFreshKeysDoNotPushOutOneThatFailedOften) {
  FailureTable table(kMemory);
  fail(table, 1, 2);
  for (std::uint64_t key = 100; key < 100'000; ++key) table.add(key, kStart);
  EXPECT_EQ(failures(table, 1), 2u);
}

TEST(FailureTable, WhatFailsAgainIsTheLatest) {
  FailureTable table(kMemory);
  for (std::uint64_t key = 0; key < FailureTable::kMostKeys; ++key) fail(table, key, 2);
  table.add(0, kStart);
  for (std::uint64_t key = 100'000; key < 110'000; ++key) fail(table, key, 2);
  EXPECT_EQ(failures(table, 0), 3u);
}

TEST(FailureTable, AFreshKeyFindsRoomAmongManyThatFailedOften) {
  FailureTable table(kMemory);
  for (std::uint64_t key = 100; key < 100'000; ++key) fail(table, key, 4);
  for (std::uint64_t key = 0; key < 50; ++key) table.add(key, kStart);
  for (std::uint64_t key = 0; key < 50; ++key) EXPECT_EQ(failures(table, key), 1u);
  EXPECT_EQ(table.size(), FailureTable::kMostKeys);
}

TEST(FailureTable, WhatIsForgottenAnywayGoesFirst) {
  FailureTable table(kMemory);
  fail(table, 1, 100);
  const SteadyTime later = kStart + kMemory;
  for (std::uint64_t key = 100; key < 100 + FailureTable::kMostKeys; ++key) table.add(key, later);
  EXPECT_EQ(table.size(), FailureTable::kMostKeys);
  EXPECT_EQ(failures(table, 100, later), 1u);
}

}  // namespace
}  // namespace drover::identity
