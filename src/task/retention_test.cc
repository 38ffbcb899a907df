// What is old goes by itself, once the clock is believed.
#include "task/retention.h"

#include <gtest/gtest.h>

#include <future>

#include "base/loop_call.h"
#include "store/sqlite/store_fixture.h"
#include "task/testing/turned_clock.h"

namespace drover::task {
namespace {

constexpr Millis kDay{24 * 3'600'000};

class RetentionLoopTest : public store::SqliteTest {
 protected:
  // As a node ends: a step may be under way.
  void TearDown() override {
    store().close();
    loop_.join();
  }

  void start(RetentionOptions options) {
    call_on(loop_.loop(), [&] {
      retention_ = std::make_unique<Retention>(loop_.loop(), store(), options, clock_.unix_ms());
      retention_->start();
      heart_.beat();
    });
  }

  void turn(Millis by) {
    std::promise<void> noticed;
    loop_.loop().post([&] { heart_.turn(clock_, by, [&] { noticed.set_value(); }); });
    noticed.get_future().wait();
  }

  // Of the newest tasks, then of the audit log.
  std::pair<std::size_t, std::size_t> left() {
    return {store::list_tasks(store(), 1)->size(), store::read_audit(store())->size()};
  }

  TurnedClock clock_;
  LoopThread loop_{clock_, "retention"};
  Heartbeat heart_{loop_.loop()};
  std::unique_ptr<Retention> retention_;
};

TEST_F(RetentionLoopTest, TasksAndEntriesGoWhenEachIsOldAndTheClockIsBelieved) {
  const std::int64_t now = clock_.unix_ms();
  for (const int days : {2, 4, 9}) {
    const std::int64_t at = now - days * kDay.count();
    ASSERT_TRUE(store::write(store(), store::whole(store::make_task(days, 1), at)));
    ASSERT_TRUE(store::add_audit(store(), {store::make_entry("a", at)}));
  }
  RetentionOptions options;
  options.age = 3 * std::chrono::duration_cast<Seconds>(kDay);
  options.audit_age = 6 * std::chrono::duration_cast<Seconds>(kDay);
  start(options);
  turn(Millis(50 * 60'000));
  EXPECT_EQ(left(), std::pair(3ul, 3ul)) << "in the first hour nothing goes";
  // It looks once a minute; the steps of a clean-up follow each other by themselves.
  for (int tries = 0; left() != std::pair(1ul, 2ul) && tries < 40; ++tries) turn(Millis(11 * 60'000));
  EXPECT_EQ(left(), std::pair(1ul, 2ul));
}

}  // namespace
}  // namespace drover::task
