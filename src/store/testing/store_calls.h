// For tests, whatever the engine: a folder of its own, calls of a store that wait for their answer, and what
// to store.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/id.h"
#include "store/errc.h"
#include "store/store.h"

namespace drover::store {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "drover-store-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// Calls `start(done)` and waits until `done` was called.
template <typename T, typename Start>
T wait_for(Start start) {
  auto promise = std::make_shared<std::promise<T>>();
  auto answer = promise->get_future();
  start([promise](T got) { promise->set_value(std::move(got)); });
  return answer.get();
}

inline Result<> write(Store& store, WriteBatch batch) {
  return wait_for<Result<>>([&](auto done) {
    store.write(std::move(batch), [done](const Result<>& result, const WriteBatch&) { done(result); });
  });
}

inline Result<std::optional<TaskRecord>> read_task(Store& store, const Id& id) {
  return wait_for<Result<std::optional<TaskRecord>>>([&](auto done) { store.read_task(id, done); });
}

inline Result<std::optional<JobOutcome>> read_job(Store& store, const Id& id) {
  return wait_for<Result<std::optional<JobOutcome>>>([&](auto done) { store.read_job(id, done); });
}

inline Result<std::vector<Store::TaskSummary>> list_tasks(Store& store, std::int64_t project,
                                                          std::int64_t before = 0,
                                                          std::uint32_t limit = 100) {
  return wait_for<Result<std::vector<Store::TaskSummary>>>(
      [&](auto done) { store.list_tasks(project, before, limit, done); });
}

inline Result<std::uint64_t> delete_old(Store& store, const Retention& retention) {
  return wait_for<Result<std::uint64_t>>([&](auto done) { store.delete_old(retention, done); });
}

// 32 hex digits that are the same for the same name.
inline std::string hex_id(const std::string& name) {
  std::string id = std::to_string(std::hash<std::string>()(name));
  return id.insert(0, 32 - id.size(), '0');
}

inline Result<Project> add_project(Store& store, const std::string& name) {
  return wait_for<Result<Project>>([&](auto done) {
    store.add_project({.id = hex_id(name), .name = name, .created_ms = 1'700'000'000'000}, done);
  });
}

inline User make_user(const std::string& name) {
  return {.id = hex_id(name), .name = name, .password = "hash of " + name, .created_ms = 1'700'000'000'000};
}

inline Result<User> add_user(Store& store, const std::string& name, std::vector<Grant> grants = {}) {
  return wait_for<Result<User>>([&](auto done) { store.add_user(make_user(name), std::move(grants), done); });
}

inline Token make_token(const std::string& id, std::int64_t project = 1) {
  return {.id = id,
          .hash = std::string(32, 'h'),
          .project = project,
          .policy = "KooPhone Administrator",
          .created_ms = 4,
          .expires_ms = 5};
}

inline AccessKey make_key(const std::string& id, std::int64_t user) {
  return {.id = id, .user = user, .sealed = "sealed " + id, .created_ms = 7};
}

inline Result<> change_identity(Store& store, IdentityChange one) {
  return wait_for<Result<>>([&](auto done) { store.change_identity(std::move(one), done); });
}

inline Result<std::vector<Instance>> put_instances(Store& store, std::vector<Instance> instances) {
  return wait_for<Result<std::vector<Instance>>>(
      [&](auto done) { store.put_instances(std::move(instances), done); });
}

inline Result<> remove_instance(Store& store, std::int64_t seq) {
  return wait_for<Result<>>([&](auto done) { store.remove_instance(seq, done); });
}

inline Result<> add_audit(Store& store, std::vector<AuditEntry> entries) {
  return wait_for<Result<>>([&](auto done) { store.add_audit(std::move(entries), done); });
}

inline Result<std::vector<AuditEntry>> read_audit(Store& store, const AuditQuery& query = {}) {
  return wait_for<Result<std::vector<AuditEntry>>>([&](auto done) { store.read_audit(query, done); });
}

inline AuditEntry make_entry(const std::string& subject, std::int64_t at_ms = 1'700'000'000'000) {
  return {.at_ms = at_ms,
          .project = 1,
          .actor = "user:ann",
          .address = "192.0.2.1",
          .request_id = "r-1",
          .action = "drover:user:create",
          .subject = subject,
          .instances = {},
          .status = 200,
          .message = {}};
}

inline Task make_task(std::int64_t seq, std::size_t jobs, std::int64_t project = 1) {
  static IdMaker ids;
  Task task;
  task.seq = seq;
  task.id = ids.next(1'700'000'000'000 + seq);
  task.project = project;
  task.command = "echo " + std::to_string(seq);
  for (std::size_t i = 0; i < jobs; ++i) task.targets.push_back("phone-" + std::to_string(i));
  task.created_ms = 1'700'000'000'000 + seq;
  task.start_deadline_s = 600;
  task.run_timeout_s = 60;
  return task;
}

inline JobOutcome success(const std::string& output = "ok\n") {
  JobOutcome outcome;
  outcome.state = JobState::kSucceeded;
  outcome.exit_code = 0;
  outcome.begun_ms = 1'700'000'001'000;
  outcome.ended_ms = 1'700'000'001'234;
  outcome.shown = output.substr(0, 1024);
  outcome.out.bytes = output;
  return outcome;
}

inline WriteBatch accept(Task task) {
  WriteBatch batch;
  batch.accepted.push_back(std::move(task));
  return batch;
}

// All of a task at once: accepted, every job begun and succeeded, finished at `at_ms`.
inline WriteBatch whole(Task task, std::int64_t at_ms, const std::string& output = "ok\n") {
  WriteBatch batch;
  for (std::uint32_t i = 0; i < task.targets.size(); ++i) {
    batch.begun.push_back({{task.seq, i}, at_ms});
    batch.ended.push_back({{task.seq, i}, success(output)});
  }
  batch.finished.push_back({task.seq, at_ms});
  batch.accepted.push_back(std::move(task));
  return batch;
}

// Holds the writer's thread inside a callback, so that what is written meanwhile is one queue.
class HeldWriter {
 public:
  explicit HeldWriter(Store& store) {
    auto held = std::make_shared<std::promise<void>>();
    auto is_held = held->get_future();
    store.write({}, [held, release = release_.get_future().share()](const Result<>&, const WriteBatch&) {
      held->set_value();
      release.wait();
    });
    is_held.wait();
  }
  ~HeldWriter() { release(); }

  void release() {
    if (!std::exchange(released_, true)) release_.set_value();
  }

 private:
  std::promise<void> release_;
  bool released_ = false;
};

// A figure of the store's: counters and gauges by value, histograms by their number of samples or their
// sum.
inline double metric(const prometheus::Registry& registry, const std::string& name, bool sum = false) {
  for (const auto& family : registry.Collect()) {
    if (family.name != name) continue;
    const auto& metric = family.metric.at(0);
    switch (family.type) {
      case prometheus::MetricType::Counter:
        return metric.counter.value;
      case prometheus::MetricType::Gauge:
        return metric.gauge.value;
      default:
        return sum ? metric.histogram.sample_sum : static_cast<double>(metric.histogram.sample_count);
    }
  }
  ADD_FAILURE() << "no metric " << name;
  return -1;
}

}  // namespace drover::store
