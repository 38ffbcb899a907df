// The engine on a store that is slow or fails: nothing accepted is lost or doubled, everything ends.
#include <gtest/gtest.h>

#include <deque>
#include <mutex>
#include <system_error>

#include "store/errc.h"
#include "task/testing/engine_fixture.h"

namespace drover::task {
namespace {

using store::Done;
using store::JobState;
using store::WriteBatch;

// A store before the real one. Once held, it keeps writes until the test passes or refuses them, one by one.
class HeldStore final : public store::Store {
 public:
  explicit HeldStore(std::unique_ptr<Store> real) : real_(std::move(real)) {}
  ~HeldStore() override { HeldStore::close(); }

  void read_task(const Id& id, Done<std::optional<store::TaskRecord>> done) override {
    real_->read_task(id, std::move(done));
  }
  void read_job(const Id& job, Done<std::optional<store::JobOutcome>> done) override {
    real_->read_job(job, std::move(done));
  }
  void list_tasks(std::int64_t project, std::int64_t before, std::uint32_t limit,
                  Done<std::vector<TaskSummary>> done) override {
    real_->list_tasks(project, before, limit, std::move(done));
  }
  void delete_old(const store::Retention& retention, Done<std::uint64_t> done) override {
    real_->delete_old(retention, std::move(done));
  }
  void add_project(store::Project project, Done<store::Project> done) override {
    real_->add_project(std::move(project), std::move(done));
  }
  void add_user(store::User user, std::vector<store::Grant> grants, Done<store::User> done) override {
    real_->add_user(std::move(user), std::move(grants), std::move(done));
  }
  void change_identity(store::IdentityChange change, Done<> done) override {
    real_->change_identity(std::move(change), std::move(done));
  }
  void add_audit(std::vector<store::AuditEntry> entries, Done<> done) override {
    real_->add_audit(std::move(entries), std::move(done));
  }
  void read_audit(const store::AuditQuery& query, Done<std::vector<store::AuditEntry>> done) override {
    real_->read_audit(query, std::move(done));
  }
  void put_instances(std::vector<store::Instance> instances,
                     Done<std::vector<store::Instance>> done) override {
    real_->put_instances(std::move(instances), std::move(done));
  }
  void remove_instance(std::int64_t seq, Done<> done) override {
    real_->remove_instance(seq, std::move(done));
  }
  Result<store::IdentityRows> identity_rows() override { return real_->identity_rows(); }
  Result<std::vector<store::Instance>> instances() override { return real_->instances(); }
  Result<store::Recovery> recover() override { return real_->recover(); }
  void write(WriteBatch batch, WriteDone done) override {
    std::unique_lock lock(mutex_);
    if (held_) {
      writes_.push_back({std::move(batch), std::move(done)});
      return;
    }
    lock.unlock();
    real_->write(std::move(batch), std::move(done));
  }
  void close() override {
    release();
    real_->close();
  }

  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return writes_.size();
  }
  // Its failure is told in its turn, as the store itself would.
  void refuse_next() {
    auto [batch, done] = take();
    real_->write(
        {}, [batch = std::move(batch), done = std::move(done)](const Result<>&, const WriteBatch&) mutable {
          done(failure(store::Errc::kUnavailable, "as ordered"), std::move(batch));
        });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [batch, done] : writes_) real_->write(std::move(batch), std::move(done));
    writes_.clear();
    held_ = false;
  }

 private:
  struct Held {
    WriteBatch batch;
    WriteDone done;
  };
  Held take() {
    const std::lock_guard lock(mutex_);
    Held next = std::move(writes_.front());
    writes_.pop_front();
    return next;
  }

  std::unique_ptr<Store> real_;
  std::mutex mutex_;
  bool held_ = false;
  std::deque<Held> writes_;
};

using Accepted = std::future<Result<LiveTaskPtr>>;

Accepted send(Node& node, const std::string& command, std::vector<std::string> targets) {
  const auto promise = std::make_shared<std::promise<Result<LiveTaskPtr>>>();
  node.engine().accept({kProject, command, std::move(targets)},
                       [promise](Result<LiveTaskPtr> result) { promise->set_value(std::move(result)); });
  return promise->get_future();
}

// Empty if there is none.
std::error_code error_of(const Result<LiveTaskPtr>& result) {
  return result ? std::error_code() : result.error().code;
}

class EngineStoreTest : public EngineTest {
 protected:
  void start(std::size_t phones, EngineOptions options = {}) {
    phones_ = std::make_unique<Phones>(phones);
    node_ = std::make_unique<Node>(database(), options, Millis(0), [this](auto real) {
      auto held = std::make_unique<HeldStore>(std::move(real));
      store_ = held.get();
      return held;
    });
    node_->add(*phones_, phones);
    for (std::size_t i = 0; i < phones; ++i) all_.push_back("p" + std::to_string(i));
    ASSERT_TRUE(wait_for_end(node_->accept("echo ready", all_)));
  }

  // So many writes are held, in the end. What is sent meanwhile waits in writes of its own.
  testing::AssertionResult held_writes(std::size_t count) {
    if (eventually([&] { return store_->count() >= count; })) return testing::AssertionSuccess();
    return testing::AssertionFailure() << store_->count();
  }

  std::unique_ptr<Phones> phones_;
  std::vector<std::string> all_;
  HeldStore* store_ = nullptr;
  std::unique_ptr<Node> node_;
};

TEST_F(EngineStoreTest, AFailedAcceptanceHarmsNoneThatIsUnderWayBehindIt) {
  start(2);
  store_->hold();
  Accepted refused = send(*node_, "echo refused", {"p0"});
  ASSERT_TRUE(held_writes(1));
  Accepted accepted = send(*node_, "echo accepted", {"p1"});
  ASSERT_TRUE(held_writes(2));
  store_->refuse_next();
  store_->release();
  EXPECT_EQ(error_of(refused.get()), Errc::kNotStored);
  const auto task = accepted.get();
  ASSERT_TRUE(task);
  ASSERT_TRUE(wait_for_end(*task));
  const LiveTaskPtr next = node_->accept("echo next", {"p0"});
  ASSERT_TRUE(wait_for_end(next));
  EXPECT_EQ(outcomes(next).front().state, JobState::kSucceeded);
  EXPECT_EQ(phones_->begun("echo refused"), 0);
  EXPECT_EQ(phones_->begun("echo accepted"), 1);
  EXPECT_EQ(phones_->begun("echo next"), 1);
}

TEST_F(EngineStoreTest, ATaskAndItsEntryOfTheAuditLogAreStoredTogetherOrNotAtAll) {
  start(2);
  const auto send_audited = [&](const char* actor, std::vector<std::string> targets) {
    NewTask task{kProject, "echo x", std::move(targets)};
    task.audit.emplace().actor = actor;
    const auto promise = std::make_shared<std::promise<Result<LiveTaskPtr>>>();
    const auto done = [promise](Result<LiveTaskPtr> result) { promise->set_value(std::move(result)); };
    if (task.targets.empty()) {
      node_->engine().accept_for_all(std::move(task), done);
    } else {
      node_->engine().accept(std::move(task), done);
    }
    return promise->get_future();
  };
  const auto log = [&] {
    std::promise<std::vector<store::AuditEntry>> entries;
    store_->read_audit({}, [&](auto read) { entries.set_value(std::move(*read)); });
    return entries.get_future().get();
  };
  store_->hold();
  Accepted refused = send_audited("refused", {"p0"});
  ASSERT_TRUE(held_writes(1));
  Accepted accepted = send_audited("accepted", {"p1", "nobody"});
  Accepted all = send_audited("all", {});
  Accepted silent = send(*node_, "echo silent", {"p1"});
  ASSERT_TRUE(held_writes(2));
  EXPECT_TRUE(log().empty());
  store_->refuse_next();
  store_->release();
  EXPECT_EQ(error_of(refused.get()), Errc::kNotStored);
  const std::string id = accepted.get().value()->task().id.hex();
  ASSERT_TRUE(silent.get());
  ASSERT_TRUE(all.get());
  const auto entries = log();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].actor, "accepted");
  EXPECT_EQ(entries[0].subject, id);
  EXPECT_EQ(entries[0].instances, (std::vector<std::string>{"p1", "nobody"}));
  EXPECT_EQ(entries[1].actor, "all");
  EXPECT_EQ(entries[1].instances, all_);
}

// More phones than begin in one turn: the task's later beginnings are stored, the task itself is not.
TEST_F(EngineStoreTest, BeginningsOfATaskThatWasRefusedBeginNothing) {
  start(300);
  store_->hold();
  Accepted refused = send(*node_, "echo refused", all_);
  ASSERT_TRUE(held_writes(2));
  store_->refuse_next();
  store_->release();
  EXPECT_EQ(error_of(refused.get()), Errc::kNotStored);
  const LiveTaskPtr next = node_->accept("echo next", all_);
  ASSERT_TRUE(wait_for_end(next));
  EXPECT_EQ(next->counts().succeeded, 300u);
  EXPECT_EQ(phones_->begun("echo refused"), 0);
  node_.reset();
  {
    prometheus::Registry registry;
    const auto store = store::open_sqlite({database()}, registry);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_TRUE((*store)->recover()->begun.empty());
    (*store)->close();
  }
  Node again(database());
  const LiveTaskPtr later = again.accept("echo later", all_);
  ASSERT_TRUE(wait_for_end(later));
  EXPECT_EQ(later->counts().succeeded, 300u);
  EXPECT_EQ(phones_->begun("echo refused"), 0);
}

TEST_F(EngineStoreTest, AnEndThatCouldNotBeStoredIsStoredLater) {
  start(2);
  const LiveTaskPtr task = node_->accept("sleep 600; echo done", {"p0", "p1", "p0"});
  ASSERT_TRUE(task);
  ASSERT_TRUE(eventually([&] { return phones_->begun("echo done") == 2; }));
  store_->hold();
  phones_->pass(Seconds(600));
  ASSERT_TRUE(held_writes(1));  // one end, or both
  Accepted behind = send(*node_, "echo behind", {"p1"});
  ASSERT_TRUE(held_writes(2));
  store_->refuse_next();
  EXPECT_TRUE(eventually([&] { return !node_->engine().healthy(); }));
  EXPECT_EQ(task->counts().succeeded, 0u);
  store_->release();
  EXPECT_TRUE(behind.get());
  ASSERT_TRUE(eventually([&] { return phones_->begun("echo done") == 3; }));
  phones_->pass(Seconds(600));
  ASSERT_TRUE(wait_for_end(task));
  EXPECT_TRUE(eventually([&] { return node_->engine().healthy(); }));
  EXPECT_EQ(task->counts().succeeded, 3u);
  for (const auto& outcome : outcomes(task)) EXPECT_EQ(outcome.shown, "done\n");
  EXPECT_EQ(phones_->begun("echo done"), 3);
}

TEST_F(EngineStoreTest, NothingBeginsBeforeItsBeginningIsStored) {
  start(1);
  const LiveTaskPtr first = node_->accept("sleep 600", {"p0"});
  const LiveTaskPtr second = node_->accept("echo second", {"p0"});
  ASSERT_TRUE(first);
  ASSERT_TRUE(eventually([&] { return phones_->begun("sleep 600") == 1; }));
  store_->hold();
  phones_->pass(Seconds(600));
  // The end of the first, and with it or after it the beginning of the second. Refused, it is tried again.
  for (int tries = 0; tries < 3; ++tries) {
    ASSERT_TRUE(held_writes(1));
    store_->refuse_next();
  }
  ASSERT_TRUE(held_writes(1));
  EXPECT_EQ(phones_->begun("echo second"), 0);
  store_->release();
  ASSERT_TRUE(wait_for_end(second));
  EXPECT_EQ(phones_->begun("echo second"), 1);
}

// Output that is not stored yet takes memory as before.
TEST_F(EngineStoreTest, OutputIsChargedUntilItIsStored) {
  EngineOptions options;
  options.output_memory = 100'000;
  start(3, options);
  const LiveTaskPtr first = node_->accept("sleep 600; gen 90000", {"p0"});
  const LiveTaskPtr second = node_->accept("sleep 1200; gen 90000", {"p1"});
  ASSERT_TRUE(eventually([&] { return phones_->begun("gen 90000") == 2; }));
  store_->hold();
  for (const std::size_t ended : {1u, 2u}) {
    phones_->pass(Seconds(600));
    ASSERT_TRUE(held_writes(ended));
  }
  store_->refuse_next();
  store_->release();
  ASSERT_TRUE(wait_for_end(first));
  ASSERT_TRUE(wait_for_end(second));
  const LiveTaskPtr third = node_->accept("gen 90000", {"p2"});
  ASSERT_TRUE(wait_for_end(third));

  const auto kept = [&](const LiveTaskPtr& task) {
    std::promise<std::size_t> size;
    store_->read_job(task->task().id.job(0), [&](Result<std::optional<store::JobOutcome>> read) {
      size.set_value(read && *read ? (*read)->out.bytes.size() : 0);
    });
    return size.get_future().get();
  };
  EXPECT_EQ(kept(first), 90'000u);
  EXPECT_LT(kept(second), 20'000u);  // what was left of the budget
  EXPECT_EQ(kept(third), 90'000u);   // all of it has been given back
}

}  // namespace
}  // namespace drover::task
