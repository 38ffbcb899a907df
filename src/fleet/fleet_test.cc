// The fleet with everything real around it: a SQLite file, links over TCP, simulated phones.
#include "fleet/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <stdlib.h>

#include <filesystem>
#include <future>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "adb/key.h"
#include "base/loop.h"
#include "base/loop_call.h"
#include "sim/simulator.h"
#include "store/sqlite/sqlite_store.h"

namespace drover::fleet {
namespace {

constexpr std::int64_t kProject = 1;
constexpr auto kPatience = std::chrono::seconds(30);

class FleetTest : public testing::Test, private FleetEvents {
 protected:
  FleetTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "drover-fleet-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
    store_ = std::move(*store::open_sqlite({dir_ + "/drover.db"}, registry_));
    std::vector<std::unique_ptr<adb::Key>> keys;
    keys.push_back(std::move(*adb::load_or_make_key(dir_ + "/adbkey")));
    fleet_ = std::make_unique<Fleet>(loop_.loop(), *store_,
                                     std::make_shared<const adb::KeyRing>(std::move(keys)), registry_);
    fleet_->set_events(*this);
  }
  // Not in the destructor: the loop still tells this object of links then.
  void TearDown() override {
    on_loop([&] {
      fleet_->stop();
      sim_.reset();
    });
    store_->close();
    loop_.join();
    std::filesystem::remove_all(dir_);
  }

  void on_loop(const std::function<void()>& fn) { call_on(loop_.loop(), fn); }

  void simulate(std::size_t phones, std::initializer_list<const char*> faults = {}) {
    sim::SimOptions options;
    options.phones = phones;
    for (const char* fault : faults) options.faults.push_back(*sim::parse_fault_rule(fault));
    on_loop([&] { sim_ = std::move(*sim::Simulator::start(loop_.loop(), std::move(options))); });
  }

  store::Instance instance(std::size_t phone) const {
    store::Instance instance;
    instance.seq = static_cast<std::int64_t>(phone) + 1;
    instance.project = kProject;
    instance.id = "p" + std::to_string(phone);
    instance.address = "adb://" + sim_->address_of(phone);
    return instance;
  }

  void put(std::initializer_list<std::size_t> phones) {
    std::vector<store::Instance> instances;
    for (const std::size_t phone : phones) instances.push_back(instance(phone));
    std::promise<bool> stored;
    fleet_->put(std::move(instances), [&](const Result<>& result) { stored.set_value(result.has_value()); });
    ASSERT_TRUE(stored.get_future().get());
  }

  void remove(std::size_t phone) {
    std::promise<bool> removed;
    fleet_->remove(kProject, instance(phone).id,
                   [&](const Result<>& result) { removed.set_value(result.has_value()); });
    ASSERT_TRUE(removed.get_future().get());
  }

  std::vector<std::string> listed() {
    std::promise<std::vector<std::string>> promise;
    fleet_->list(kProject, [&](const Result<std::vector<PhoneView>>& views) {
      std::vector<std::string> ids;
      ids.reserve(views->size());
      for (const PhoneView& view : *views) ids.push_back(view.id);
      promise.set_value(std::move(ids));
    });
    return promise.get_future().get();
  }

  std::vector<LinkState> states() {
    std::promise<std::vector<LinkState>> promise;
    fleet_->list(kProject, [&](const Result<std::vector<PhoneView>>& views) {
      std::vector<LinkState> states;
      states.reserve(views->size());
      for (const PhoneView& view : *views) states.push_back(view.state);
      promise.set_value(std::move(states));
    });
    return promise.get_future().get();
  }

  double tries() {
    for (const auto& family : registry_.Collect()) {
      if (family.name == "drover_link_tries_total") return family.metric.front().counter.value;
    }
    return -1;
  }

  // Waits until so many different phones have come online.
  bool reaches_online(std::size_t count) {
    std::future<void> reached;
    on_loop([&] {
      wanted_ = count;
      reached_ = {};
      reached = reached_.get_future();
      if (online_.size() >= wanted_) reached_.set_value();
    });
    return reached.wait_for(kPatience) == std::future_status::ready;
  }

 private:
  void on_phone_added(Phone&) override {}
  void on_link_up(Phone& phone) override {
    if (online_.insert(phone.id()).second && online_.size() == wanted_) reached_.set_value();
  }
  void on_refused(Phone&) override {}
  void on_link_cut(Phone&) override {}
  void on_phone_removed(Phone&) override {}

  Clock clock_;
  std::string dir_;
  prometheus::Registry registry_;
  std::unique_ptr<store::Store> store_;
  LoopThread loop_{clock_, "fleet-test"};
  std::unique_ptr<sim::Simulator> sim_;
  // The loop's thread only.
  std::set<std::string> online_;
  std::size_t wanted_ = 0;
  std::promise<void> reached_;

 protected:
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(FleetTest, TriesNoMoreAtOnceThanItsLimitAndReachesAllInTheEnd) {
  constexpr std::size_t kPhones = 2 * TryQueue::kAtOnce + 50;
  // More that say nothing than may be tried at once, and in front of all that are healthy.
  constexpr std::size_t kSilent = TryQueue::kAtOnce + 44;
  simulate(kPhones, {"0-299=silent"});
  std::vector<store::Instance> instances;
  for (std::size_t i = 0; i < kPhones; ++i) instances.push_back(instance(i));
  double begun = 0;
  on_loop([&] {
    fleet_->start(std::move(instances));
    begun = tries();
  });
  EXPECT_EQ(begun, TryQueue::kAtOnce);
  ASSERT_TRUE(reaches_online(kPhones - kSilent));
  // And without waiting until the silent ones were given up.
  EXPECT_THAT(states(), testing::Not(testing::Contains(LinkState::kBooting)));
}

TEST_F(FleetTest, ListsInTheOrderOfIdsWhateverComesAndGoes) {
  simulate(10);
  EXPECT_THAT(listed(), testing::IsEmpty());
  put({7, 3, 5});
  EXPECT_THAT(listed(), testing::ElementsAre("p3", "p5", "p7"));
  put({9, 1, 5});
  EXPECT_THAT(listed(), testing::ElementsAre("p1", "p3", "p5", "p7", "p9"));
  remove(5);
  put({0});
  EXPECT_THAT(listed(), testing::ElementsAre("p0", "p1", "p3", "p7", "p9"));
}

TEST_F(FleetTest, TakesOverWhatOthersHaveChanged) {
  simulate(8);
  using testing::ElementsAre;
  on_loop([&] { fleet_->start({instance(0), instance(1), instance(2)}); });
  on_loop([&] { fleet_->apply({false, {instance(5)}, {{kProject, "p1"}, {kProject, "p7"}}}); });
  EXPECT_THAT(listed(), ElementsAre("p0", "p2", "p5"));
  store::Instance anew = instance(2);
  anew.seq = 9;
  on_loop([&] { fleet_->apply({true, {anew, instance(3)}, {}}); });
  EXPECT_THAT(listed(), ElementsAre("p2", "p3"));
  std::int64_t seq = 0;
  on_loop([&] { seq = fleet_->find(kProject, "p2")->seq(); });
  EXPECT_EQ(seq, 9);
}

TEST_F(FleetTest, LabelsAreKeptAndTold) {
  simulate(3);
  const store::Labels blue{{"team", "blue"}};
  const auto put_with = [&](std::size_t phone, std::optional<store::Labels> labels) {
    store::Instance one = instance(phone);
    one.labels = std::move(labels);
    std::promise<Result<>> stored;
    fleet_->put({std::move(one)}, [&](const Result<>& result) { stored.set_value(result); });
    return stored.get_future().get();
  };
  const auto told = [&](std::int64_t project, std::vector<std::string> ids = {"p1", "p0", "p7"}) {
    std::promise<std::vector<std::optional<store::Labels>>> promise;
    fleet_->labels(project, std::move(ids), [&](auto labels) { promise.set_value(std::move(labels)); });
    return promise.get_future().get();
  };
  using testing::ElementsAre;
  ASSERT_TRUE(put_with(0, blue));
  ASSERT_TRUE(put_with(1, std::nullopt));
  EXPECT_THAT(told(kProject), ElementsAre(store::Labels(), blue, std::nullopt));
  EXPECT_THAT(told(kProject + 1), ElementsAre(std::nullopt, std::nullopt, std::nullopt));

  ASSERT_TRUE(put_with(0, std::nullopt));
  ASSERT_TRUE(put_with(1, store::Labels{{"team", "red"}}));
  EXPECT_THAT(told(kProject), ElementsAre(store::Labels{{"team", "red"}}, blue, std::nullopt));
  std::promise<std::vector<PhoneView>> views;
  fleet_->list(kProject, [&](Result<std::vector<PhoneView>> all) { views.set_value(*std::move(all)); });
  EXPECT_EQ(views.get_future().get().at(0).labels, blue);

  EXPECT_EQ(put_with(1, store::Labels{{"team", "r=d"}}).error().code, Errc::kBadLabels);
  ASSERT_TRUE(put_with(1, store::Labels()));
  EXPECT_THAT(told(kProject), ElementsAre(store::Labels(), blue, std::nullopt));

  // As at a start.
  store::Instance started = instance(2);
  started.labels = blue;
  on_loop([&] { fleet_->start({started}); });
  EXPECT_THAT(told(kProject, {"p2"}), ElementsAre(blue));
}

}  // namespace
}  // namespace drover::fleet
