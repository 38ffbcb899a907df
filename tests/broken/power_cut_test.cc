// The power is cut while a store writes: what it acknowledged is there afterwards, all else is there whole or
// not at all, in the order of the calls.
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "broken/disk.h"
#include "broken/store_model.h"
#include "store/sqlite/store_fixture.h"

namespace drover::broken {
namespace {

using store::open_sqlite;
using store::Store;

// Steps that are on their way, some at a time, and what became of them.
class Acknowledged {
 public:
  void send(Store& store, const Step& step) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return under_way_ < kAtOnce; });
    ++under_way_;
    lock.unlock();
    step.send(store, [this](const Result<>& result) {
      const std::lock_guard told(mutex_);
      --under_way_;
      if (result && !failed_) ++acknowledged_;
      if (result && failed_) out_of_order_ = true;
      if (!result) failed_ = true;
      changed_.notify_one();
    });
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return under_way_ == 0; });
  }
  bool failed() const {
    const std::lock_guard lock(mutex_);
    return failed_;
  }
  // Once all have been told.
  std::size_t count() const { return acknowledged_; }
  bool out_of_order() const { return out_of_order_; }

 private:
  static constexpr int kAtOnce = 6;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int under_way_ = 0;
  std::size_t acknowledged_ = 0;
  bool failed_ = false;
  bool out_of_order_ = false;
};

class PowerCut : public ::testing::Test {
 protected:
  static constexpr int kCuts = 4;

  // One file through several cuts.
  void run(std::uint64_t seed, std::size_t steps, std::size_t largest_output, std::uint64_t operations) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Disk disk({.loses_unsynced = true, .seed = seed});
    const store::TempDir dir;
    path_ = dir.file("drover.db");
    model_ = {};
    for (int cut = 0; cut < kCuts && !HasFailure(); ++cut) {
      // Now and then in the midst of opening, which is also how the first file comes to be.
      disk.cut_after(random() % (random() % 5 == 0 ? 150 : operations));
      std::vector<Step> sent;
      const std::size_t acknowledged = work(random, steps, largest_output, sent);
      if (!disk.is_off()) disk.cut();
      disk.power_on();
      ++cuts_;
      ASSERT_NO_FATAL_FAILURE(check(sent, acknowledged));
    }
  }

  std::size_t work(std::mt19937_64& random, std::size_t steps, std::size_t largest_output,
                   std::vector<Step>& sent) {
    prometheus::Registry registry;
    auto store = open_sqlite({path_}, registry);
    if (!store) {
      EXPECT_EQ(store.error().code, store::Errc::kUnavailable) << store.error().message;
      return 0;
    }
    Acknowledged acknowledged;
    Model planned = model_;
    for (std::size_t i = 0; i < steps && !acknowledged.failed(); ++i) {
      sent.push_back(random_step(planned, next_task_, random, largest_output));
      sent.back().apply(planned);
      acknowledged.send(**store, sent.back());
    }
    acknowledged.wait();
    EXPECT_FALSE(acknowledged.out_of_order());
    return acknowledged.count();
  }

  // The file holds what the first so many steps make, at least those acknowledged.
  void check(const std::vector<Step>& sent, std::size_t acknowledged) {
    ASSERT_EQ(integrity(path_), "ok");
    prometheus::Registry registry;
    auto store = open_sqlite({path_}, registry);
    ASSERT_TRUE(store) << store.error().message;
    const std::string found = text_of(**store);
    for (std::size_t i = 0; i < acknowledged; ++i) sent[i].apply(model_);
    acknowledged_ += acknowledged;
    const std::string least = model_.text();
    for (std::size_t i = acknowledged; found != model_.text(); ++i) {
      ASSERT_LT(i, sent.size()) << "acknowledged was:\n" << least << "found is:\n" << found;
      sent[i].apply(model_);
    }
  }

  std::string path_;
  Model model_;
  std::int64_t next_task_ = 1;
  std::size_t cuts_ = 0;
  std::size_t acknowledged_ = 0;
};

// The same ones in every test run; a soak has others each time.
std::uint64_t first_seed() {
  const char* const given = std::getenv("DROVER_SEED");
  return given == nullptr ? 0 : std::strtoull(given, nullptr, 10);
}

TEST_F(PowerCut, LosesNothingThatWasAcknowledged) {
  for (std::uint64_t seed = 1; seed <= 150 && !HasFailure(); ++seed) run(first_seed() + seed, 40, 3'000, 500);
  RecordProperty("cuts", static_cast<int>(cuts_));
  RecordProperty("acknowledged", static_cast<int>(acknowledged_));
}

// Enough for the log to be brought back into the file and to start over.
TEST_F(PowerCut, LosesNothingWhileTheLogIsBroughtBack) {
  for (std::uint64_t seed = 1; seed <= 16 && !HasFailure(); ++seed)
    run(first_seed() + 1'000 + seed, 150, 400'000, 20'000);
  RecordProperty("cuts", static_cast<int>(cuts_));
  RecordProperty("acknowledged", static_cast<int>(acknowledged_));
}

}  // namespace
}  // namespace drover::broken
