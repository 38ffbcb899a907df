#include "cli/grouping.h"

#include <algorithm>
#include <utility>

namespace drover::cli {
namespace {

std::string key_of(const JobLine& job) {
  std::string key = job.state + '\n' + job.error_code + '\n' + job.output_hash + '\n';
  if (job.exit_code) key += std::to_string(*job.exit_code);
  return key;
}

}  // namespace

void Grouping::add(JobLine job) {
  const auto [at, fresh] = index_.try_emplace(key_of(job), groups_.size());
  if (fresh) groups_.emplace_back();
  Group& group = groups_[at->second];
  group.members.push_back({job.instance_id, job.job_id});
  if (fresh) group.first = std::move(job);
}

std::vector<Group> Grouping::take() {
  std::stable_sort(groups_.begin(), groups_.end(),
                   [](const Group& a, const Group& b) { return a.members.size() > b.members.size(); });
  index_.clear();
  return std::exchange(groups_, {});
}

CutText cut_lines(const std::string& text, std::size_t max_lines) {
  CutText cut;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    if (cut.lines.size() < max_lines) {
      std::string line = text.substr(at, end - at);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      cut.lines.push_back(std::move(line));
    } else {
      ++cut.left_out;
    }
    at = end + 1;
  }
  return cut;
}

}  // namespace drover::cli
