#include "api/native/requests.h"

#include <gtest/gtest.h>

namespace drover::api::native {
namespace {

template <typename T>
std::string refusal(const Checked<T>& parsed) {
  return parsed ? "taken" : parsed.error().message;
}

TEST(TaskRequestTest, NamesInstancesOrAll) {
  const auto named =
      parse_task_request(R"({"command":"id","instance_ids":["a","b"],"run_timeout_s":5})", false);
  ASSERT_TRUE(named);
  EXPECT_FALSE(named->all);
  EXPECT_EQ(named->instance_ids, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(named->run_timeout_s, 5u);
  EXPECT_EQ(named->start_deadline_s, 600u);

  const auto all = parse_task_request(R"({"command":"id","all":true})", false);
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->all);

  const std::string either = "either instance_ids or all must be given";
  EXPECT_EQ(refusal(parse_task_request(R"({"command":"id"})", false)), either);
  EXPECT_EQ(refusal(parse_task_request(R"({"command":"id","all":false})", false)), either);
  EXPECT_EQ(refusal(parse_task_request(R"({"command":"id","all":true,"instance_ids":["a"]})", false)),
            either);
  EXPECT_EQ(refusal(parse_task_request(R"({"command":"id","all":false,"instance_ids":["a"]})", false)),
            "taken");
}

TEST(TaskRequestTest, HasTheSameRulesForCommandsAsKooPhone) {
  EXPECT_EQ(refusal(parse_task_request(R"({"all":true})", false)), "command is missing; it must be a string");
  EXPECT_EQ(refusal(parse_task_request(R"({"command":"a;b","all":true})", false)), "taken");
  EXPECT_EQ(refusal(parse_task_request(R"({"command":"a;b","all":true})", true)),
            "command may hold only A-Z a-z 0-9 _ . / : - and space in this project");
  EXPECT_EQ(refusal(parse_task_request(R"({"command":"a","all":true,"run_timeout_s":0})", false)),
            "run_timeout_s must be an integer from 1 to 86,400, got 0");
}

TEST(TaskRequestTest, TakesAHundredThousandInstances) {
  std::string ids = "\"p0\"";
  for (int i = 1; i < 100'000; ++i) ids += ",\"p" + std::to_string(i) + "\"";
  const auto parsed = parse_task_request(R"({"command":"id","instance_ids":[)" + ids + "]}", false);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->instance_ids.size(), 100'000u);
  EXPECT_EQ(
      refusal(parse_task_request(R"({"command":"id","instance_ids":[)" + ids + ",\"one-more\"]}", false)),
      "instance_ids must hold 1 to 100,000 ids, got 100,001");
}

TEST(InstancesRequestTest, NeedsBothMembersOfEach) {
  const auto parsed = parse_instances_request(
      R"({"instances":[{"instance_id":"p1","address":"adb://a"},{"address":"adb://b","instance_id":"p2","x":1}]})");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->size(), 2u);
  EXPECT_EQ((*parsed)[1].id, "p2");
  EXPECT_EQ((*parsed)[1].address, "adb://b");

  EXPECT_EQ(refusal(parse_instances_request("{}")), "instances is missing; it must be an array of objects");
  EXPECT_EQ(refusal(parse_instances_request(R"({"instances":[]})")),
            "instances must hold 1 to 100,000 instances, got 0");
  EXPECT_EQ(refusal(parse_instances_request(
                R"({"instances":[{"instance_id":"a","address":"b"},{"address":"b"}]})")),
            "instances[1].instance_id is missing; it must be a string");
  EXPECT_EQ(refusal(parse_instances_request(R"({"instances":[{"instance_id":"a"}]})")),
            "instances[0].address is missing; it must be a string");
}

TEST(AdminRequestTest, ProjectsAndTokens) {
  EXPECT_EQ(parse_project_request(R"({"name":"one"})")->name, "one");
  EXPECT_FALSE(parse_project_request(R"({"name":"one"})")->koophone_commands_only);
  EXPECT_TRUE(
      parse_project_request(R"({"name":"one","koophone_commands_only":true})")->koophone_commands_only);
  EXPECT_EQ(refusal(parse_project_request("{}")), "name is missing; it must be a string");

  const auto token = parse_token_request(R"({"project":"one","role":"admin","expires_s":60})");
  ASSERT_TRUE(token);
  EXPECT_EQ(token->project, "one");
  EXPECT_EQ(token->role, store::Role::kAdmin);
  EXPECT_EQ(token->expires_s, 60);
  EXPECT_EQ(parse_token_request(R"({"project":"one","role":"readonly"})")->expires_s, 86'400);
  EXPECT_EQ(refusal(parse_token_request(R"({"role":"admin"})")), "project is missing; it must be a string");
  EXPECT_EQ(refusal(parse_token_request(R"({"project":"one"})")),
            "role is missing; it must be admin or readonly");
  EXPECT_EQ(refusal(parse_token_request(R"({"project":"one","role":"root"})")),
            "role must be admin or readonly");
}

}  // namespace
}  // namespace drover::api::native
