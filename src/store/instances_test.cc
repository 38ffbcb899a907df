// Instances keep their numbers and their labels.
#include <gtest/gtest.h>

#include "store/testing/store_fixture.h"

namespace drover::store {
namespace {

class InstancesTest : public StoreTest {
 protected:
  std::vector<Instance> put(std::vector<Instance> instances) {
    return put_instances(store(), std::move(instances)).value();
  }
  Result<> remove(std::int64_t seq) { return remove_instance(store(), seq); }
};

TEST_P(InstancesTest, InstancesKeepTheirNumbers) {
  const auto first = put({{.project = 1, .id = "p", .address = "adb://a:1", .created_ms = 10},
                          {.project = 2, .id = "p", .address = "adb://b:1", .created_ms = 10}});
  ASSERT_EQ(first.size(), 2u);
  EXPECT_NE(first[0].seq, first[1].seq);

  const auto second = put({{.project = 1, .id = "q", .address = "adb://c:1", .created_ms = 20},
                           {.project = 1, .id = "p", .address = "adb://moved:1", .created_ms = 20}});
  EXPECT_EQ(second[1].seq, first[0].seq);
  EXPECT_EQ(second[1].created_ms, 10);
  reopen();
  Instance moved = first[0];
  moved.address = "adb://moved:1";
  EXPECT_EQ(store().instances().value(), (std::vector{moved, first[1], second[0]}));

  EXPECT_TRUE(remove(second[0].seq));
  EXPECT_EQ(remove(second[0].seq).error().code, Errc::kNotFound);
  reopen();
  EXPECT_GT(put({{.project = 1, .id = "q", .address = "adb://c:1"}})[0].seq, second[0].seq);
}

TEST_P(InstancesTest, LabelsStayUntilOthersAreGiven) {
  const Labels blue{{"group", "blue"}, {"rack", "r.1"}};
  const Instance labelled{.project = 1, .id = "p", .address = "adb://a:1", .labels = blue};
  const Instance plain{.project = 1, .id = "q", .address = "adb://a:2"};
  const auto first = put({labelled, plain});
  EXPECT_EQ(first[0].labels, blue);
  EXPECT_EQ(first[1].labels, Labels());
  reopen();
  EXPECT_EQ(store().instances().value(), first);

  const auto moved =
      put({{.project = 1, .id = "p", .address = "adb://b:1"},
           {.project = 1, .id = "q", .address = "adb://b:2", .labels = Labels{{"group", ""}}}});
  EXPECT_EQ(moved[0].labels, blue) << "nothing was said of them";
  EXPECT_EQ(moved[1].labels, (Labels{{"group", ""}}));
  EXPECT_EQ(put({{.project = 1, .id = "p", .address = "adb://b:1", .labels = Labels()}})[0].labels, Labels());
  reopen();
  EXPECT_EQ(store().instances().value()[0].labels, Labels());
  EXPECT_EQ(store().instances().value()[1].labels, (Labels{{"group", ""}}));
}

TEST_P(InstancesTest, LabelsThatCouldNotComeBackAreRefusedWithAllElse) {
  for (const Labels& labels : {Labels{{"a\nb", "c"}}, Labels{{"a=b", "c"}}, Labels{{"a", "b\nc"}}}) {
    const auto refused =
        put_instances(store(), {{.project = 1, .id = "p", .address = "adb://a:1"},
                                {.project = 1, .id = "q", .address = "adb://a:1", .labels = labels}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, std::errc::invalid_argument);
  }
  EXPECT_THAT(store().instances().value(), testing::IsEmpty());
  EXPECT_TRUE(put_instances(
      store(), {{.project = 1, .id = "q", .address = "adb://a:1", .labels = Labels{{"a", "b=c"}}}}));
}

TEST_P(InstancesTest, DamagedLabelsAreNotPassedOn) {
  put({{.project = 1, .id = "p", .address = "adb://a:1", .labels = Labels{{"a", "b"}}}});
  store_.reset();
  ASSERT_TRUE(run_sql("UPDATE instance SET labels = 'ab'"));
  open();
  EXPECT_EQ(store().instances().error().code, Errc::kCorrupt);
}

ON_EVERY_ENGINE(InstancesTest);

}  // namespace
}  // namespace drover::store
