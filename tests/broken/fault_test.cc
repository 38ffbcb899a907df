// Each single operation on the disk fails in turn: who wrote is told so, nothing that was acknowledged is
// lost, nothing that was refused is stored, and the store goes on by itself once the disk works again.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "broken/disk.h"
#include "broken/store_model.h"
#include "store/sqlite/store_fixture.h"

namespace drover::broken {
namespace {

using store::open_sqlite;
using store::Store;

class Faults : public ::testing::Test {
 protected:
  enum class After { kRetry, kPowerCut };

  static constexpr std::size_t kSteps = 16;
  static constexpr int kTries = 3;  // then the disk is healed

  // A store's life on a disk that fails as ordered. False: there was nothing left to fail.
  bool survives(const Fault& fault, After after) {
    SCOPED_TRACE(testing::Message() << "operation " << fault.after << " fails " << fault.times << " times");
    Disk disk({.loses_unsynced = true, .seed = 1'000 * seed_ + fault.after});
    const store::TempDir dir;
    const std::string path = dir.file("drover.db");
    model_ = {};
    disk.fail(fault);
    live(disk, path, after);
    const std::uint64_t failures = disk.failures();
    failures_ += failures;
    disk.power_on();
    disk.heal();
    EXPECT_EQ(integrity(path), "ok");
    prometheus::Registry registry;
    auto store = open_sqlite({path}, registry);
    EXPECT_TRUE(store) << store.error().message;
    EXPECT_EQ(store ? text_of(**store) : "", model_.text());
    return failures > 0;
  }

  std::unique_ptr<Store> open(Disk& disk, const std::string& path, prometheus::Registry& registry) {
    for (int tries = 0;; ++tries) {
      if (tries == kTries) disk.heal();
      auto store = open_sqlite({path}, registry);
      if (store) return std::move(*store);
      EXPECT_EQ(store.error().code, store::Errc::kUnavailable) << store.error().message;
      if (tries == kTries) return nullptr;
    }
  }

  void live(Disk& disk, const std::string& path, After after) {
    prometheus::Registry registry;
    const auto store = open(disk, path, registry);
    ASSERT_TRUE(store) << "it does not open on a disk that works again";
    std::mt19937_64 random(7);
    std::int64_t next_task = 1;
    for (std::size_t i = 0; i < kSteps; ++i) {
      const Step step = random_step(model_, next_task, random, 6'000);
      for (int tries = 0; !stored(*store, step); ++tries) {
        if (after == After::kPowerCut) return disk.cut();
        check_reads(*store);
        ASSERT_LT(tries, kTries) << "it does not go on by itself";
        if (tries == kTries - 1) disk.heal();
      }
      step.apply(model_);
    }
    if (after == After::kPowerCut) return disk.cut();
    disk.heal();
    EXPECT_EQ(text_of(*store), model_.text());
  }

  static bool stored(Store& store, const Step& step) {
    const auto result = store::wait_for<Result<>>([&](auto done) { step.send(store, done); });
    EXPECT_TRUE(result || result.error().code == store::Errc::kUnavailable) << result.error().message;
    return result.has_value();
  }

  // They may fail as well, but say nothing that is not so.
  void check_reads(Store& store) {
    for (const auto& [seq, record] : model_.tasks) {
      const auto read = store::read_task(store, record.task.id);
      if (read) {
        EXPECT_TRUE(*read) << "a task is gone";
      } else {
        EXPECT_EQ(read.error().code, store::Errc::kUnavailable) << read.error().message;
      }
    }
  }

  // `fault` at each operation, or at every `stride`th.
  void run(Fault fault, After after, std::uint64_t stride = 1) {
    for (; survives(fault, after); fault.after += stride) {
      ++runs_;
      if (HasFailure()) return;
    }
    EXPECT_GT(runs_, 10u);
    RecordProperty("runs", static_cast<int>(runs_));
    RecordProperty("failures", static_cast<int>(failures_));
  }

  std::uint64_t seed_ = 0;
  Model model_;
  std::uint64_t runs_ = 0;
  std::uint64_t failures_ = 0;
};

TEST_F(Faults, OneOperationFails) { run({.times = 1, .torn = true}, After::kRetry); }

TEST_F(Faults, AllFailForAWhile) { run({.times = 40, .torn = true}, After::kRetry, 2); }

TEST_F(Faults, AllFailUntilTheDiskIsHealed) { run({.times = Fault::kForever}, After::kRetry, 2); }

TEST_F(Faults, TheDiskIsFull) {
  run({.op = Op::kWrite, .times = Fault::kForever, .code = SQLITE_FULL, .torn = true}, After::kRetry);
}

// Also when the power goes before anything else is written.
TEST_F(Faults, WhatWasRefusedDoesNotComeBack) { run({.times = 1, .torn = true}, After::kPowerCut); }

TEST_F(Faults, WhatCouldNotBeSyncedDoesNotComeBack) {
  for (seed_ = 1; seed_ <= 8; ++seed_) run({.op = Op::kSync, .times = 1}, After::kPowerCut);
}

// Whoever was refused asks by it whether the store works again.
TEST_F(Faults, AnEmptyWriteTellsWhetherTheDiskWorks) {
  Disk disk({.loses_unsynced = true});
  const store::TempDir dir;
  prometheus::Registry registry;
  const auto store = open(disk, dir.file("drover.db"), registry);
  ASSERT_TRUE(store);
  const auto write = [&](store::WriteBatch batch) {
    return store::wait_for<Result<>>([&](auto done) {
      store->write(std::move(batch), [done](Result<> result, const store::WriteBatch&) { done(result); });
    });
  };
  for (const Op op : {Op::kWrite, Op::kSync}) {
    disk.fail({.op = op, .times = Fault::kForever});
    store::WriteBatch batch;
    batch.accepted.push_back(store::make_task(1 + static_cast<int>(op), 1));
    EXPECT_FALSE(write(std::move(batch)));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(write({}));
    disk.heal();
    EXPECT_TRUE(write({}));
  }
}

}  // namespace
}  // namespace drover::broken
