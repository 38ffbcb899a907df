// For tests: stands before a real store and delays, fails or loses what is written, in the order written.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/errc.h"
#include "store/store.h"

namespace drover::task {

class UnrulyStore final : public store::Store {
 public:
  enum class Mood {
    kGood,
    kStuck,    // nothing is answered until that is over
    kFailing,  // nothing is stored
    kFlaky,    // each write by itself is stored, or not, after a while
  };

  UnrulyStore(std::unique_ptr<store::Store> real, std::uint64_t seed)
      : real_(std::move(real)), random_(seed), thread_([this] { run(); }) {}
  ~UnrulyStore() override { UnrulyStore::close(); }

  void set_mood(Mood mood) {
    const std::lock_guard lock(mutex_);
    mood_ = mood;
    wake_.notify_all();
  }

  // Whatever the mood, the next write fails.
  void fail_next() {
    const std::lock_guard lock(mutex_);
    fail_next_ = true;
  }

  // So many writes have been neither passed on nor failed.
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return queue_.size();
  }

  // Bytes of output in the largest batch that was to be stored.
  std::size_t largest() {
    const std::lock_guard lock(mutex_);
    return largest_;
  }

  // The machine dies: what has reached the real store and the first `stored` of what has not are durable, the
  // rest never was, and nobody is told. The loop that wrote has stopped.
  void die(std::size_t stored) {
    std::deque<Write> last;
    {
      const std::lock_guard lock(mutex_);
      dead_ = true;
      last.swap(queue_);
      wake_.notify_all();
    }
    thread_.join();
    for (Write& step : last) {
      if (stored > 0) {
        --stored;
        step(true);
      }
    }
    real_->close();
    lost_ = std::move(last);
  }

  void write(store::WriteBatch batch, WriteDone done) override {
    std::size_t bytes = 0;
    for (const auto& ended : batch.ended)
      bytes += ended.outcome.out.bytes.size() + ended.outcome.err.bytes.size();
    {
      const std::lock_guard lock(mutex_);
      largest_ = std::max(largest_, bytes);
    }
    put([this, batch = std::move(batch), done = std::move(done)](bool store) mutable {
      if (!store) return done(failure(store::Errc::kUnavailable), std::move(batch));
      begin();
      real_->write(std::move(batch),
                   [this, done = std::move(done)](Result<> result, store::WriteBatch back) mutable {
                     end([&] { done(std::move(result), std::move(back)); }, done);
                   });
    });
  }

  void put_instances(std::vector<store::Instance> instances,
                     store::Done<std::vector<store::Instance>> done) override {
    put([this, instances = std::move(instances), done = std::move(done)](bool store) mutable {
      if (!store) return done(failure(store::Errc::kUnavailable));
      begin();
      real_->put_instances(std::move(instances), [this, done = std::move(done)](auto stored) mutable {
        end([&] { done(std::move(stored)); }, done);
      });
    });
  }

  void remove_instance(std::int64_t seq, store::Done<> done) override {
    put([this, seq, done = std::move(done)](bool store) mutable {
      if (!store) return done(failure(store::Errc::kUnavailable));
      begin();
      real_->remove_instance(seq, [this, done = std::move(done)](Result<> removed) mutable {
        end([&] { done(std::move(removed)); }, done);
      });
    });
  }

  // As they are.
  void read_task(const Id& id, store::Done<std::optional<store::TaskRecord>> done) override {
    real_->read_task(id, std::move(done));
  }
  void read_job(const Id& job, store::Done<std::optional<store::JobOutcome>> done) override {
    real_->read_job(job, std::move(done));
  }
  void list_tasks(std::int64_t project, std::int64_t before, std::uint32_t limit,
                  store::Done<std::vector<TaskSummary>> done) override {
    real_->list_tasks(project, before, limit, std::move(done));
  }
  void delete_old(const store::Retention& retention, store::Done<std::uint64_t> done) override {
    real_->delete_old(retention, std::move(done));
  }
  void add_project(store::Project project, store::Done<store::Project> done) override {
    real_->add_project(std::move(project), std::move(done));
  }
  void add_user(store::User user, std::vector<store::Grant> grants, store::Done<store::User> done) override {
    real_->add_user(std::move(user), std::move(grants), std::move(done));
  }
  void change_identity(store::IdentityChange change, store::Done<> done) override {
    real_->change_identity(std::move(change), std::move(done));
  }
  void add_audit(std::vector<store::AuditEntry> entries, store::Done<> done) override {
    real_->add_audit(std::move(entries), std::move(done));
  }
  void read_audit(const store::AuditQuery& query, store::Done<std::vector<store::AuditEntry>> done) override {
    real_->read_audit(query, std::move(done));
  }
  Result<store::IdentityRows> identity_rows() override { return real_->identity_rows(); }
  Result<std::vector<store::Instance>> instances() override { return real_->instances(); }
  Result<store::Recovery> recover() override { return real_->recover(); }
  bool takes_writes() const override { return real_->takes_writes(); }
  store::Cluster* cluster() override { return real_->cluster(); }

  void close() override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      if (mood_ == Mood::kStuck) mood_ = Mood::kGood;
      wake_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    real_->close();
  }

 private:
  using Write = std::function<void(bool store)>;

  void put(Write write) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(write));
    wake_.notify_all();
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return dead_ || (mood_ != Mood::kStuck && !queue_.empty()) || closed_; });
      if (dead_ || queue_.empty()) return;
      if (mood_ == Mood::kFlaky) {
        wake_.wait_for(lock, Millis(random_() % 20), [this] { return dead_ || mood_ != Mood::kFlaky; });
        if (dead_) return;
      }
      const bool store = !std::exchange(fail_next_, false) &&
                         (mood_ == Mood::kGood || (mood_ == Mood::kFlaky && random_() % 3 != 0));
      // Answers come in the order of the calls, so a failure waits for what is under way.
      if (!store) wake_.wait(lock, [this] { return under_way_ == 0; });
      if (dead_) return;
      const Write step = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      step(store);
      lock.lock();
    }
  }

  void begin() {
    const std::lock_guard lock(mutex_);
    ++under_way_;
  }

  template <typename Tell, typename Done>
  void end(Tell tell, Done& done) {
    std::unique_lock lock(mutex_);
    if (dead_) {
      // What it refers to belongs to the loop's thread, as everything that is lost.
      untold_.push_back([done = std::move(done)] {});
    } else {
      lock.unlock();
      tell();
      lock.lock();
    }
    --under_way_;
    wake_.notify_all();
  }

  std::unique_ptr<store::Store> real_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  std::deque<Write> queue_;
  std::vector<std::function<void()>> untold_;
  Mood mood_ = Mood::kGood;
  std::minstd_rand random_;
  std::size_t under_way_ = 0;
  std::size_t largest_ = 0;
  bool fail_next_ = false;
  bool dead_ = false;
  bool closed_ = false;

  std::deque<Write> lost_;
  std::thread thread_;
};

}  // namespace drover::task
