#include "cli/grouping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

JobLine job(const std::string& instance, const std::string& state, const std::string& hash,
            std::optional<std::int64_t> exit_code = 0) {
  JobLine line;
  line.job_id = "job-" + instance;
  line.instance_id = instance;
  line.state = state;
  line.output_hash = hash;
  line.exit_code = exit_code;
  return line;
}

std::vector<std::string> members(const Group& group) {
  std::vector<std::string> names;
  names.reserve(group.members.size());
  for (const Group::Member& member : group.members) names.push_back(member.instance_id);
  return names;
}

TEST(Grouping, PutsIdenticalAnswersTogetherLargestFirst) {
  Grouping grouping;
  grouping.add(job("p1", "failed", "b", 1));
  grouping.add(job("p2", "succeeded", "a"));
  grouping.add(job("p3", "succeeded", "a"));
  grouping.add(job("p4", "succeeded", "c"));
  const std::vector<Group> groups = grouping.take();
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_THAT(members(groups[0]), ElementsAre("p2", "p3"));
  EXPECT_EQ(groups[0].first.job_id, "job-p2");
  EXPECT_THAT(members(groups[1]), ElementsAre("p1"));
  EXPECT_THAT(members(groups[2]), ElementsAre("p4"));
}

TEST(Grouping, KeepsApartWhatDiffersInStateExitCodeOrReason) {
  Grouping grouping;
  grouping.add(job("p1", "succeeded", "a", 0));
  grouping.add(job("p2", "failed", "a", 1));
  grouping.add(job("p3", "failed", "a", 2));
  grouping.add(job("p4", "lost", "a", std::nullopt));
  JobLine offline = job("p5", "failed", "a", std::nullopt);
  offline.error_code = "DROVER.JOB.OFFLINE";
  grouping.add(offline);
  EXPECT_EQ(grouping.take().size(), 5u);
}

TEST(CutLines, CountsWhatItLeavesOut) {
  const CutText cut = cut_lines("a\nb\r\nc\nd", 2);
  EXPECT_THAT(cut.lines, ElementsAre("a", "b"));
  EXPECT_EQ(cut.left_out, 2u);
}

TEST(CutLines, ALastNewlineBeginsNoLine) {
  EXPECT_THAT(cut_lines("a\n", 9).lines, ElementsAre("a"));
  EXPECT_THAT(cut_lines("", 9).lines, IsEmpty());
  EXPECT_THAT(cut_lines("\n\n", 9).lines, ElementsAre("", ""));
}

}  // namespace
}  // namespace drover::cli
