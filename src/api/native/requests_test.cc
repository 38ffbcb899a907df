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

TEST(InstancesRequestTest, TakesLabels) {
  const auto parsed = parse_instances_request(
      R"({"instances":[{"instance_id":"a","address":"x"},
                       {"instance_id":"b","labels":{},"address":"x"},
                       {"instance_id":"c","address":"x","labels":{"team":"blue","team":"red","os":"14"}},
                       {"instance_id":"d","address":"x"}]})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 4u);
  EXPECT_FALSE((*parsed)[0].labels);
  EXPECT_EQ((*parsed)[1].labels, store::Labels());
  EXPECT_EQ((*parsed)[2].labels, (store::Labels{{"os", "14"}, {"team", "red"}}));
  EXPECT_FALSE((*parsed)[3].labels);

  EXPECT_EQ(refusal(parse_instances_request(R"({"instances":[{"labels":"blue"}]})")),
            "instances[0].labels must be an object of strings");
  EXPECT_EQ(refusal(parse_instances_request(R"({"instances":[{"labels":{"a":1}}]})")),
            "instances[0].labels must hold strings only");
  EXPECT_EQ(refusal(parse_instances_request(R"({"instances":[{"labels":{"a":{}}}]})")),
            "instances[0].labels must hold strings only");
  std::string many = R"("l0":"")";
  for (int i = 1; i < 17; ++i) many += ",\"l" + std::to_string(i) + "\":\"\"";
  EXPECT_EQ(refusal(parse_instances_request(R"({"instances":[{"instance_id":"a","address":"x","labels":{)" +
                                            many + "}}]}")),
            "instances[0].labels must hold at most 16 labels, got 17");
}

}  // namespace
}  // namespace drover::api::native
