#include "task/output.h"

#include <gtest/gtest.h>

namespace drover::task {
namespace {

using adb::Output;

store::JobOutcome finish(JobOutput& output) {
  store::JobOutcome outcome;
  output.move_into(outcome);
  return outcome;
}

TEST(JobOutput, KeepsShortOutputWhole) {
  OutputBudget budget(1 << 20);
  JobOutput output(budget, 1 << 20);
  output.append(Output::kStdout, "one\n");
  output.append(Output::kStderr, "oops\n");
  output.append(Output::kStdout, "two\n");
  const store::JobOutcome outcome = finish(output);
  EXPECT_EQ(outcome.out.bytes, "one\ntwo\n");
  EXPECT_EQ(outcome.err.bytes, "oops\n");
  EXPECT_EQ(outcome.shown, "one\noops\ntwo\n");
  EXPECT_EQ(outcome.output_bytes, 13u);
  EXPECT_EQ(outcome.out.omitted, 0u);
}

TEST(JobOutput, KeepsExactlyTheLimit) {
  OutputBudget budget(1 << 20);
  JobOutput output(budget, 1000);
  const std::string all(1000, 'x');
  output.append(Output::kStdout, all);
  const store::JobOutcome outcome = finish(output);
  EXPECT_EQ(outcome.out.bytes, all);
  EXPECT_EQ(outcome.out.omitted, 0u);
}

TEST(JobOutput, KeepsHeadAndTailOfMore) {
  OutputBudget budget(1 << 20);
  JobOutput output(budget, 1000);
  std::string all;
  for (int i = 0; i < 2000; ++i) all += static_cast<char>('a' + i % 26);
  for (std::size_t i = 0; i < all.size(); i += 7)
    output.append(Output::kStdout, std::string_view(all).substr(i, 7));
  const store::JobOutcome outcome = finish(output);
  EXPECT_EQ(outcome.out.bytes.size(), 1000u);
  EXPECT_EQ(outcome.out.bytes.substr(0, 500), all.substr(0, 500));
  EXPECT_EQ(outcome.out.bytes.substr(500), all.substr(1500));
  EXPECT_EQ(outcome.out.omitted, 1000u);
  EXPECT_EQ(outcome.out.omitted_at, 500u);
  EXPECT_EQ(outcome.output_bytes, 2000u);
}

TEST(JobOutput, CountsWhatIsLeftOutOfEachStream) {
  OutputBudget budget(1 << 20);
  JobOutput output(budget, 100);
  output.append(Output::kStdout, std::string(60, 'o'));
  for (int i = 0; i < 100; ++i) output.append(Output::kStderr, "e");
  const store::JobOutcome outcome = finish(output);
  EXPECT_EQ(outcome.out.bytes.size() + outcome.out.omitted, 60u);
  EXPECT_EQ(outcome.err.bytes.size() + outcome.err.omitted, 100u);
  EXPECT_LE(outcome.out.bytes.size() + outcome.err.bytes.size(), 100u);
  EXPECT_EQ(outcome.err.bytes.size(), 50u);
}

TEST(JobOutput, ManyPiecesOfAlternatingStreamsStayBounded) {
  OutputBudget budget(1 << 20);
  JobOutput output(budget, 100'000);
  for (int i = 0; i < 200'000; ++i) output.append(i % 2 == 0 ? Output::kStdout : Output::kStderr, "x");
  const store::JobOutcome outcome = finish(output);
  EXPECT_EQ(outcome.out.bytes.size() + outcome.out.omitted, 100'000u);
  EXPECT_EQ(outcome.err.bytes.size() + outcome.err.omitted, 100'000u);
  EXPECT_GE(outcome.out.bytes.size() + outcome.err.bytes.size(), 50'000u);
}

TEST(JobOutput, GivesUpWhenTheBudgetIsUsedUpAndReturnsWhatItTook) {
  OutputBudget budget(10'000);
  {
    JobOutput first(budget, 1 << 20);
    first.append(Output::kStdout, std::string(14'000, 'a'));  // 4,096 of its own, 9,904 of the budget
    JobOutput second(budget, 1 << 20);
    second.append(Output::kStdout, std::string(4'000, 'b'));
    second.append(Output::kStdout, std::string(1'000, 'c'));
    const store::JobOutcome kept = finish(first);
    EXPECT_EQ(kept.out.bytes.size(), 14'000u);
    const store::JobOutcome cut = finish(second);
    EXPECT_EQ(cut.out.bytes.size(), 4'000u);
    EXPECT_EQ(cut.out.omitted, 1'000u);
    EXPECT_EQ(cut.output_bytes, 5'000u);
  }
  EXPECT_TRUE(budget.take(10'000));
}

TEST(JobOutput, WhatIsHandedOverStaysTaken) {
  OutputBudget budget(10'000);
  std::size_t held = 0;
  {
    JobOutput output(budget, 1 << 20);
    output.append(Output::kStdout, std::string(14'000, 'a'));
    EXPECT_EQ(finish(output).out.bytes.size(), 14'000u);
    held = output.hand_over();
  }
  EXPECT_EQ(held, 9'904u);
  EXPECT_FALSE(budget.take(10'000));
  budget.give_back(held);
  EXPECT_TRUE(budget.take(10'000));
}

TEST(JobOutput, HashTellsStreamsAndBytesApart) {
  OutputBudget budget(1 << 20);
  const auto hash = [&budget](std::string_view out, std::string_view err) {
    JobOutput output(budget, 1000);
    output.append(Output::kStdout, out);
    output.append(Output::kStderr, err);
    return finish(output).output_hash;
  };
  EXPECT_EQ(hash("ab", "c"), hash("ab", "c"));
  EXPECT_NE(hash("ab", "c"), hash("a", "bc"));
  EXPECT_NE(hash("ab", ""), hash("", "ab"));
}

}  // namespace
}  // namespace drover::task
