#include "base/timer_wheel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace drover {
namespace {

class TimerWheelTest : public ::testing::Test {
 protected:
  SteadyTime at(Millis after) const { return start_ + after; }
  void advance(Millis to) {
    now_ = to;
    wheel_.advance(at(to));
  }
  std::unique_ptr<Timer> timer(int name) {
    return std::make_unique<Timer>([this, name] { fired_.push_back(name); });
  }

  const SteadyTime start_ = SteadyTime() + Seconds(1'000);
  TimerWheel wheel_{start_};
  Millis now_{0};
  std::vector<int> fired_;
};

TEST_F(TimerWheelTest, FiresOnceAndNeverEarly) {
  const auto one = timer(1);
  wheel_.schedule(*one, at(Millis(50)));
  EXPECT_TRUE(one->armed());
  EXPECT_FALSE(wheel_.empty());
  advance(Millis(49));
  EXPECT_THAT(fired_, testing::IsEmpty());
  advance(Millis(50 + TimerWheel::kTick.count()));
  EXPECT_THAT(fired_, testing::ElementsAre(1));
  EXPECT_FALSE(one->armed());
  EXPECT_TRUE(wheel_.empty());
  advance(Seconds(100));
  EXPECT_EQ(fired_.size(), 1u);
}

TEST_F(TimerWheelTest, OnATickItFiresAtThatTick) {
  const auto one = timer(1);
  wheel_.schedule(*one, at(Millis(60)));
  advance(Millis(59));
  EXPECT_THAT(fired_, testing::IsEmpty());
  advance(Millis(60));
  EXPECT_THAT(fired_, testing::ElementsAre(1));
}

TEST_F(TimerWheelTest, PastDeadlinesFireAtTheNextTick) {
  advance(Seconds(5));
  const auto one = timer(1);
  const auto two = timer(2);
  wheel_.schedule(*one, at(Seconds(1)));
  wheel_.schedule(*two, start_ - Seconds(1));
  EXPECT_THAT(fired_, testing::IsEmpty());
  advance(Seconds(5) + TimerWheel::kTick);
  EXPECT_THAT(fired_, testing::UnorderedElementsAre(1, 2));
}

TEST_F(TimerWheelTest, CancelledTimersDoNotFire) {
  const auto one = timer(1);
  auto two = timer(2);
  const auto three = timer(3);
  for (Timer* each : {one.get(), two.get(), three.get()}) wheel_.schedule(*each, at(Millis(100)));
  one->cancel();
  one->cancel();
  two.reset();
  advance(Seconds(1));
  EXPECT_THAT(fired_, testing::ElementsAre(3));
  EXPECT_TRUE(wheel_.empty());
}

TEST_F(TimerWheelTest, SchedulingAgainMoves) {
  const auto one = timer(1);
  wheel_.schedule(*one, at(Millis(100)));
  wheel_.schedule(*one, at(Millis(500)));
  advance(Millis(480));
  EXPECT_THAT(fired_, testing::IsEmpty());
  wheel_.schedule(*one, at(Millis(490)));
  advance(Millis(500));
  EXPECT_THAT(fired_, testing::ElementsAre(1));
  EXPECT_TRUE(wheel_.empty());
}

TEST_F(TimerWheelTest, LaterTurnsWait) {
  // A turn takes 1,024 ticks: these share a slot.
  const auto one = timer(1);
  const auto two = timer(2);
  const auto three = timer(3);
  const Millis turn = 1'024 * TimerWheel::kTick;
  wheel_.schedule(*three, at(Millis(100) + 2 * turn));
  wheel_.schedule(*one, at(Millis(100)));
  wheel_.schedule(*two, at(Millis(100) + turn));
  advance(Millis(200));
  EXPECT_THAT(fired_, testing::ElementsAre(1));
  advance(Millis(80) + turn);
  EXPECT_EQ(fired_.size(), 1u);
  advance(Millis(100) + turn);
  EXPECT_THAT(fired_, testing::ElementsAre(1, 2));
  advance(Millis(80) + 2 * turn);
  EXPECT_EQ(fired_.size(), 2u);
  advance(Millis(100) + 2 * turn);
  EXPECT_THAT(fired_, testing::ElementsAre(1, 2, 3));
}

TEST_F(TimerWheelTest, LongPauseFiresAllThatIsDueAndNothingElse) {
  const auto one = timer(1);
  const auto two = timer(2);
  const auto three = timer(3);
  wheel_.schedule(*one, at(Seconds(3)));
  wheel_.schedule(*two, at(Seconds(300)));
  wheel_.schedule(*three, at(Seconds(3'000)));
  advance(Seconds(1'000));
  EXPECT_THAT(fired_, testing::UnorderedElementsAre(1, 2));
  advance(Seconds(2'999));
  EXPECT_EQ(fired_.size(), 2u);
  advance(Seconds(3'000));
  EXPECT_THAT(fired_, testing::ElementsAre(testing::_, testing::_, 3));
}

TEST_F(TimerWheelTest, EmptyWheelKeepsTime) {
  advance(Seconds(500));
  const auto one = timer(1);
  wheel_.schedule(*one, at(Seconds(501)));
  advance(Millis(500'980));
  EXPECT_THAT(fired_, testing::IsEmpty());
  advance(Seconds(501));
  EXPECT_THAT(fired_, testing::ElementsAre(1));
}

TEST_F(TimerWheelTest, TimeThatGoesBackDoesNothing) {
  const auto one = timer(1);
  wheel_.schedule(*one, at(Seconds(2)));
  advance(Seconds(1));
  wheel_.advance(start_ - Seconds(1));
  wheel_.advance(at(Millis(1)));
  EXPECT_THAT(fired_, testing::IsEmpty());
  advance(Seconds(2));
  EXPECT_THAT(fired_, testing::ElementsAre(1));
}

TEST_F(TimerWheelTest, FiringMayArmItself) {
  int count = 0;
  Timer* self = nullptr;
  Timer again([&] {
    if (++count < 3) wheel_.schedule(*self, at(now_ + Millis(100)));
  });
  self = &again;
  wheel_.schedule(again, at(Millis(100)));
  for (int i = 1; i <= 50; ++i) advance(Millis(i * 20));
  EXPECT_EQ(count, 3);
  EXPECT_TRUE(wheel_.empty());
}

TEST_F(TimerWheelTest, FiringMayArmForItsOwnSlotOneTurnLater) {
  int count = 0;
  Timer* self = nullptr;
  const Millis turn = 1'024 * TimerWheel::kTick;
  Timer again([&] {
    ++count;
    wheel_.schedule(*self, at(now_ + turn));
  });
  self = &again;
  wheel_.schedule(again, at(Millis(100)));
  advance(Millis(100));
  EXPECT_EQ(count, 1);
  advance(Millis(80) + turn);
  EXPECT_EQ(count, 1);
  advance(Millis(100) + turn);
  EXPECT_EQ(count, 2);
}

TEST_F(TimerWheelTest, FiringMayCancelAndDestroyOthersThatAreDue) {
  auto two = timer(2);
  auto three = timer(3);
  Timer one([&] {
    fired_.push_back(1);
    two->cancel();
    three.reset();
  });
  wheel_.schedule(one, at(Millis(100)));
  wheel_.schedule(*two, at(Millis(100)));
  wheel_.schedule(*three, at(Millis(100)));
  advance(Millis(100));
  EXPECT_THAT(fired_, testing::ElementsAre(1));
  EXPECT_TRUE(wheel_.empty());
}

TEST(TimerWheel, TimersMayOutliveTheWheel) {
  int fired = 0;
  Timer one([&] { ++fired; });
  Timer two([&] { ++fired; });
  const SteadyTime start;
  {
    TimerWheel wheel(start);
    wheel.schedule(one, start + Seconds(1));
    wheel.schedule(two, start + Seconds(1));
  }
  EXPECT_FALSE(one.armed());
  EXPECT_FALSE(two.armed());
  TimerWheel next(start);
  next.schedule(one, start + Seconds(1));
  next.advance(start + Seconds(2));
  EXPECT_EQ(fired, 1);
}

// Against the plain truth: a list of deadlines.
TEST_F(TimerWheelTest, ManyTimersAgreeWithAList) {
  constexpr int kTimers = 500;
  std::mt19937 random(7);
  std::vector<std::unique_ptr<Timer>> timers;
  timers.reserve(kTimers);
  std::vector<Millis> due(kTimers, Millis(-1));
  for (int i = 0; i < kTimers; ++i) {
    timers.push_back(std::make_unique<Timer>([&, i] {
      EXPECT_GE(now_, due[i]);
      due[i] = Millis(-1);
    }));
  }
  for (int step = 0; step < 3'000; ++step) {
    for (int change = 0; change < 5; ++change) {
      const int i = static_cast<int>(random() % kTimers);
      if (random() % 3 == 0) {
        timers[i]->cancel();
        due[i] = Millis(-1);
      } else {
        due[i] = now_ + Millis(random() % 60'000);
        wheel_.schedule(*timers[i], at(due[i]));
      }
    }
    advance(now_ + Millis(random() % 100 == 0 ? 30'000 : random() % 50));
    for (int i = 0; i < kTimers; ++i) {
      ASSERT_EQ(timers[i]->armed(), due[i] >= Millis(0));
      if (due[i] >= Millis(0)) {
        ASSERT_GT(due[i] + TimerWheel::kTick, now_) << "late by more than a tick";
      }
    }
  }
}

}  // namespace
}  // namespace drover
