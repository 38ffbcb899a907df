// How much is accepted and not over: jobs, and the memory that their tasks take, on this node and of each
// project.
//
// A task takes its place before its request is handed to the engine's loop, so that what waits there, for a
// commit and for phones is bounded by the same two numbers, and refusing costs the loop nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "store/types.h"

namespace drover::task {

struct Place {
  std::uint64_t jobs = 0;
  std::uint64_t bytes = 0;
};

// About what a task takes in memory while it is open, outcomes left out; and what a job's outcome adds.
std::uint64_t memory_of(const std::string& command, const std::vector<std::string>& targets);
std::uint64_t memory_of(const store::JobOutcome& outcome);

// Any thread.
class Admission {
 public:
  Admission(Place limit, Place limit_per_project) : limit_(limit), limit_per_project_(limit_per_project) {}

  // kQueueFull, kProjectFull, kTooLarge or, once closed, kDraining: then nothing was taken.
  Result<> enter(std::int64_t project, Place place);
  // Whether even the smallest task would be refused now.
  Result<> check(std::int64_t project) const;
  // What is full, to tell other nodes: projects; all of them if one of these is 0.
  std::vector<std::int64_t> full() const;
  // Without asking: tasks that are there already.
  void take(std::int64_t project, Place place);
  void leave(std::int64_t project, Place place);
  // A job is over, and its outcome stays in memory until its task is.
  void job_ended(std::int64_t project, std::uint64_t outcome_bytes);
  void close();
  // Nothing is held, of any project.
  bool empty() const;

 private:
  // mutex_ is held.
  Result<> allowed(std::int64_t project, Place place) const;
  void add(std::int64_t project, Place place);

  const Place limit_;
  const Place limit_per_project_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  Place all_;
  std::unordered_map<std::int64_t, Place> projects_;
};

}  // namespace drover::task
