// What people want to see from 1,000 phones: which answers there were, and how many gave each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace drover::cli {

// One job, as the server tells it.
struct JobLine {
  std::string job_id;
  std::string instance_id;
  std::string state;
  std::string error_code;
  std::string error_msg;
  std::optional<std::int64_t> exit_code;
  std::optional<std::string> shown;  // the first bytes of its output
  std::uint64_t output_bytes = 0;
  std::string output_hash;
};

// Jobs with the same state, error code, exit code and output.
struct Group {
  JobLine first;  // the one that stands for all
  struct Member {
    std::string instance_id;
    std::string job_id;
  };
  std::vector<Member> members;  // in the order of the task, `first` included
};

class Grouping {
 public:
  void add(JobLine job);
  // Largest first; of equal size in the order of their first jobs.
  std::vector<Group> take();

 private:
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<Group> groups_;
};

// The first `max_lines` lines of `text`; `left_out` is how many follow.
struct CutText {
  std::vector<std::string> lines;
  std::size_t left_out = 0;
};
CutText cut_lines(const std::string& text, std::size_t max_lines);

}  // namespace drover::cli
