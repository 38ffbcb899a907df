// For tests: stands before a real store, and holds back or fails entries of the audit log.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "store/errc.h"
#include "store/store.h"

namespace drover::api {

class HeldAudit final : public store::Store {
 public:
  explicit HeldAudit(std::unique_ptr<store::Store> real) : real_(std::move(real)) {}

  // Until release() what comes is not given to the store.
  void hold() { set(Mood::kHolding); }
  void fail() { set(Mood::kFailing); }
  std::size_t held() {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  void release() {
    std::vector<Held> held;
    {
      const std::lock_guard lock(mutex_);
      mood_ = Mood::kGood;
      held.swap(held_);
    }
    for (Held& one : held) real_->add_audit(std::move(one.entries), std::move(one.done));
  }

  void add_audit(std::vector<store::AuditEntry> entries, store::Done<> done) override {
    std::unique_lock lock(mutex_);
    if (mood_ == Mood::kHolding) return held_.push_back({std::move(entries), std::move(done)});
    const bool failing = mood_ == Mood::kFailing;
    lock.unlock();
    if (failing) return done(failure(store::Errc::kUnavailable));
    real_->add_audit(std::move(entries), std::move(done));
  }

  // As they are.
  void write(store::WriteBatch batch, WriteDone done) override {
    real_->write(std::move(batch), std::move(done));
  }
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
  void put_instances(std::vector<store::Instance> instances,
                     store::Done<std::vector<store::Instance>> done) override {
    real_->put_instances(std::move(instances), std::move(done));
  }
  void remove_instance(std::int64_t seq, store::Done<> done) override {
    real_->remove_instance(seq, std::move(done));
  }
  void read_audit(const store::AuditQuery& query, store::Done<std::vector<store::AuditEntry>> done) override {
    real_->read_audit(query, std::move(done));
  }
  Result<store::IdentityRows> identity_rows() override { return real_->identity_rows(); }
  Result<std::vector<store::Instance>> instances() override { return real_->instances(); }
  Result<store::Recovery> recover() override { return real_->recover(); }
  void close() override { real_->close(); }

 private:
  enum class Mood { kGood, kHolding, kFailing };
  struct Held {
    std::vector<store::AuditEntry> entries;
    store::Done<> done;
  };

  void set(Mood mood) {
    const std::lock_guard lock(mutex_);
    mood_ = mood;
  }

  std::unique_ptr<store::Store> real_;
  std::mutex mutex_;
  Mood mood_ = Mood::kGood;
  std::vector<Held> held_;
};

}  // namespace drover::api
