#include "base/wall_watch.h"

#include <gtest/gtest.h>

namespace drover {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr hours kDay{24};
constexpr hours kYear{365 * 24};

class WallWatchTest : public testing::Test {
 protected:
  class SetClock final : public Clock {
   public:
    SteadyTime steady() const override { return steady_now; }
    std::int64_t unix_ms() const override { return wall.count(); }

    Millis wall{1'800'000'000'000};
    SteadyTime steady_now{hours(5)};
  };

  void pass(Millis time) {
    clock_.wall += time;
    clock_.steady_now += time;
  }
  void jump(Millis by) { clock_.wall += by; }
  std::int64_t known(Millis ago) const { return (clock_.wall - ago).count(); }

  SetClock clock_;
};

TEST_F(WallWatchTest, TimeThatPassesIsBelievedAnHourAfterTheStart) {
  WallWatch watch(clock_, known(hours(3)));
  EXPECT_TRUE(watch.look().doubtful);
  pass(minutes(59));
  EXPECT_TRUE(watch.look().doubtful);
  for (const Millis time : {Millis(minutes(1)), Millis(0), Millis(kDay), Millis(10 * kYear)}) {
    pass(time);
    const auto sight = watch.look();
    EXPECT_FALSE(sight.doubtful);
    EXPECT_EQ(sight.jump, Millis::zero());
  }
}

TEST_F(WallWatchTest, SmallCorrectionsAreBelieved) {
  WallWatch watch(clock_, known(hours(3)));
  pass(hours(1));
  for (int i = 0; i < 100; ++i) {
    pass(minutes(1));
    jump(minutes(i % 2 == 0 ? 59 : -59));
    EXPECT_FALSE(watch.look().doubtful);
  }
}

TEST_F(WallWatchTest, AJumpIsDoubtedForADayAndThenBelieved) {
  WallWatch watch(clock_, known(hours(3)));
  pass(hours(1));
  for (const Millis by : {Millis(kYear), Millis(-50 * kYear), Millis(hours(2)), Millis(-minutes(61))}) {
    EXPECT_FALSE(watch.look().doubtful);
    pass(minutes(1));
    jump(by);
    const auto sight = watch.look();
    EXPECT_TRUE(sight.doubtful);
    EXPECT_EQ(sight.jump, by);

    pass(kDay - minutes(1));
    EXPECT_TRUE(watch.look().doubtful);
    EXPECT_EQ(watch.look().jump, Millis::zero());  // told once
    pass(minutes(1));
  }
  EXPECT_FALSE(watch.look().doubtful);
}

TEST_F(WallWatchTest, TheNextJumpBeginsAnotherDay) {
  WallWatch watch(clock_, known(hours(3)));
  jump(kYear);
  watch.look();
  pass(hours(23));
  jump(hours(2));
  EXPECT_EQ(watch.look().jump, hours(2));
  pass(hours(23));
  EXPECT_TRUE(watch.look().doubtful);
  pass(hours(1));
  EXPECT_FALSE(watch.look().doubtful);
}

TEST_F(WallWatchTest, AGapBetweenTwoStartsIsDoubtedForADay) {
  for (const Millis gap : {Millis(2 * kDay), Millis(kYear), Millis(-2 * kDay), Millis(-100 * kYear)}) {
    WallWatch watch(clock_, known(gap));
    EXPECT_EQ(watch.look().jump, gap);
    EXPECT_EQ(watch.look().jump, Millis::zero());
    pass(hours(23));
    EXPECT_TRUE(watch.look().doubtful);
    pass(hours(1));
    EXPECT_FALSE(watch.look().doubtful);
  }
}

TEST_F(WallWatchTest, ADayOffAndNothingKnownAreNoGap) {
  for (const std::int64_t known_ms : {known(kDay), known(-kDay), std::int64_t{0}}) {
    WallWatch watch(clock_, known_ms);
    EXPECT_EQ(watch.look().jump, Millis::zero());
    pass(hours(1));
    EXPECT_FALSE(watch.look().doubtful);
  }
}

}  // namespace
}  // namespace drover
