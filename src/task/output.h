// What a job has said: all of it while it is short, its head and tail when it is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "adb/shell.h"
#include "store/types.h"

namespace drover::task {

// The memory that the output of all jobs may take together, from its coming until it is stored. One loop.
class OutputBudget {
 public:
  explicit OutputBudget(std::size_t limit) : limit_(limit) {}
  bool take(std::size_t bytes);
  void give_back(std::size_t bytes) { used_ -= bytes; }
  std::size_t used() const { return used_; }

 private:
  std::size_t limit_;
  std::size_t used_ = 0;
};

// One job's output, both streams: the first half of `limit` bytes as they come, then the last half of it.
// Each job has a little for itself; beyond that it takes from the budget, and when that is used up, its
// output is only counted.
class JobOutput {
 public:
  JobOutput(OutputBudget& budget, std::size_t limit) : budget_(budget), half_(limit / 2) {}
  ~JobOutput();
  JobOutput(const JobOutput&) = delete;
  JobOutput& operator=(const JobOutput&) = delete;

  void append(adb::Output from, std::string_view bytes);

  // Moves all into `outcome`: shown, output_bytes, output_hash, out, err.
  void move_into(store::JobOutcome& outcome);
  // The bytes that it holds of the budget: from now on the caller gives them back. The last call.
  std::size_t hand_over() { return std::exchange(taken_, 0); }

 private:
  static constexpr std::size_t kShown = 1024;  // KooPhone's execute_msg
  static constexpr std::size_t kOwn = 4096;    // of each job, whatever the budget
  static constexpr std::size_t kMaxPieces =
      1024;  // a phone that alternates streams byte by byte costs no more

  static constexpr std::size_t kPiece = 16 * 1024;  // so that dropping from a piece's front moves little

  struct Stream {
    std::string head;
    std::uint64_t omitted = 0;
    std::uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
  };
  struct Piece {
    adb::Output from;
    std::string bytes;
  };

  Stream& stream(adb::Output from) { return from == adb::Output::kStdout ? out_ : err_; }
  bool take(std::size_t bytes);
  void append_tail(adb::Output from, std::string_view bytes);
  void drop_oldest(std::size_t bytes);
  store::StreamOutput collect(adb::Output from);

  OutputBudget& budget_;
  std::size_t half_;
  std::size_t kept_ = 0;   // bytes in head and tail
  std::size_t taken_ = 0;  // of them from the budget
  std::uint64_t total_ = 0;
  std::string shown_;
  Stream out_;
  Stream err_;
  std::size_t tail_bytes_ = 0;
  std::unique_ptr<std::deque<Piece>> tail_;  // made when the head is full
};

}  // namespace drover::task
