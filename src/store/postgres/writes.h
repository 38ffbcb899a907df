// The kinds of writes that the store queues.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "store/postgres/instances.h"
#include "store/postgres/write.h"
#include "store/store.h"

namespace drover::store::postgres {

// A batch of changes to tasks.
class TaskWrite final : public Write {
 public:
  TaskWrite(WriteBatch batch, Store::WriteDone done) : batch_(std::move(batch)), done_(std::move(done)) {}

  WriteSize size() const override;
  bool accepts() const override { return !batch_.accepted.empty(); }
  void add_to(Group& group) override;
  void finish(const Result<>& committed, const Answer& answer) override;

 private:
  WriteBatch batch_;
  Store::WriteDone done_;
  Result<> allowed_;
};

// A change whose one command answers with a number, which `read` makes into an answer.
template <typename T>
class NumberWrite : public Write {
 public:
  using Add = std::function<void(Unit& unit, std::int64_t epoch)>;
  using Read = std::function<Result<T>(std::int64_t)>;

  NumberWrite(std::size_t rows, Add add, Read read, Done<T> done)
      : rows_(rows), add_(std::move(add)), read_(std::move(read)), done_(std::move(done)) {}

  WriteSize size() const override { return {rows_, 0}; }
  void add_to(Group& group) override { add_(group.unit, group.epoch); }
  bool keeps_answer() const override { return true; }
  Changes changes() const override { return Changes::kIdentities; }
  void finish(const Result<>& committed, const Answer& answer) override {
    if (!committed) return done_(tl::make_unexpected(committed.error()));
    std::int64_t number = answer.settled.value_or(0);
    if (!answer.settled && !answer.rows.empty()) number = answer.rows[0].integer(0, 0);
    done_(read_(number));
  }

 private:
  std::size_t rows_;
  Add add_;
  Read read_;
  Done<T> done_;
};

// Drops tables perhaps, which no other command of its unit may name.
class DeleteOld final : public NumberWrite<std::uint64_t> {
 public:
  using NumberWrite::NumberWrite;
  bool alone() const override { return true; }
  bool may_take_long() const override { return true; }  // the files of a day are removed
  Changes changes() const override { return Changes::kNothing; }
};

class RemoveInstance final : public NumberWrite<void> {
 public:
  using NumberWrite::NumberWrite;
  Changes changes() const override { return Changes::kInstances; }
};

class PutInstances final : public Write {
 public:
  PutInstances(std::vector<Instance> instances, Done<std::vector<Instance>> done)
      : instances_(std::move(instances)), done_(std::move(done)), allowed_(check(instances_)) {}

  WriteSize size() const override { return {instances_.size(), 0}; }
  void add_to(Group& group) override {
    if (allowed_) put_instances(group.unit, instances_);
  }
  void read_again(Unit& unit) const override {
    if (allowed_) read_put_instances(unit, instances_);
  }
  Changes changes() const override { return Changes::kInstances; }
  void finish(const Result<>& committed, const Answer& answer) override;

 private:
  std::vector<Instance> instances_;
  Done<std::vector<Instance>> done_;
  Result<> allowed_;
};

}  // namespace drover::store::postgres
