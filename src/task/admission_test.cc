#include "task/admission.h"

#include <gtest/gtest.h>

#include "task/errc.h"

namespace drover::task {
namespace {

constexpr Place kNode{10, 100'000};
constexpr Place kProject{6, 60'000};

TEST(AdmissionTest, ProjectHasItsShareAndTheNodeItsWhole) {
  Admission admission(kNode, kProject);
  EXPECT_TRUE(admission.enter(1, {6, 0}));
  EXPECT_EQ(admission.enter(1, {1, 0}).error().code, Errc::kProjectFull);
  EXPECT_EQ(admission.check(1).error().code, Errc::kProjectFull);
  EXPECT_TRUE(admission.check(2));
  EXPECT_TRUE(admission.enter(2, {4, 0}));
  EXPECT_EQ(admission.check(2).error().code, Errc::kQueueFull);
  EXPECT_EQ(admission.enter(3, {1, 0}).error().code, Errc::kQueueFull);
  admission.leave(1, {1, 0});
  EXPECT_TRUE(admission.enter(3, {1, 0}));
}

TEST(AdmissionTest, BytesAreBoundedAsJobsAre) {
  Admission admission(kNode, kProject);
  EXPECT_EQ(admission.enter(1, {1, 60'001}).error().code, Errc::kTooLarge);  // it will never fit
  EXPECT_TRUE(admission.enter(1, {1, 60'000}));
  EXPECT_EQ(admission.enter(2, {1, 40'001}).error().code, Errc::kQueueFull);
  EXPECT_TRUE(admission.enter(2, {1, 40'000}));
  admission.leave(1, {1, 60'000});
  EXPECT_TRUE(admission.enter(1, {1, 50'000}));
}

TEST(AdmissionTest, OutcomesOfOpenTasksCountUntilTheTaskIsOver) {
  Admission admission(kNode, kProject);
  EXPECT_TRUE(admission.enter(1, {2, 1'000}));
  admission.job_ended(1, 59'000);
  EXPECT_EQ(admission.enter(1, {1, 1}).error().code, Errc::kProjectFull);
  admission.leave(1, {1, 60'000});
  EXPECT_TRUE(admission.enter(1, {6, 60'000}));
}

TEST(AdmissionTest, ClosedTakesNothing) {
  Admission admission(kNode, kProject);
  admission.close();
  EXPECT_EQ(admission.enter(1, {1, 1}).error().code, Errc::kDraining);
  EXPECT_EQ(admission.check(1).error().code, Errc::kDraining);
}

}  // namespace
}  // namespace drover::task
