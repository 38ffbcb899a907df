#include "api/koophone/instance_list.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "api/testing/fake_request.h"

namespace drover::api::koophone {
namespace {

using fleet::LinkState;

class InstanceListTest : public testing::Test {
 protected:
  InstanceListTest() { request_.queries = {{"page_no", "1"}, {"page_size", "10"}}; }

  std::string refusal() {
    const auto query = parse_instance_query(request_);
    return query ? "taken" : query.error().message;
  }
  boost::json::value list() {
    const auto query = parse_instance_query(request_);
    return boost::json::parse(
        instance_list_answer(query.value(), phones_, {"0123456789abcdef0123456789abcdef", "default"}));
  }
  // The ids on the page, in order.
  std::string ids() {
    const boost::json::value answer = list();
    std::string out;
    for (const auto& instance : answer.at("data").at("result").as_array()) {
      out += std::string(instance.at("instance_id").as_string()) + " ";
    }
    return out;
  }

  static fleet::PhoneView phone(std::string id, LinkState state, std::int64_t created_ms) {
    fleet::PhoneView view;
    view.id = std::move(id);
    view.state = state;
    view.created_ms = created_ms;
    return view;
  }

  FakeRequest request_;
  std::vector<fleet::PhoneView> phones_ = {
      phone("alpha-1", LinkState::kOnline, 1'692'109'845'000),  // 2023-08-15 14:30:45
      phone("alpha-2", LinkState::kOffline, 1'692'109'845'999),
      phone("beta-1", LinkState::kBooting, 1'692'109'846'000),
  };
};

TEST_F(InstanceListTest, AnswerHasTheReferencesShape) {
  request_.queries["page_size"] = "1";
  EXPECT_EQ(
      boost::json::serialize(list()),
      R"({"data":{"result":[{"instance_id":"alpha-1","instance_name":"alpha-1","region":null,)"
      R"("instance_sku":null,"frozen_status":null,"running_status":2,"login_status":null,)"
      R"("assign_status":null,"assign_user":null,"billing_mode":null,"project_id":"0123456789abcdef0123456789abcdef",)"
      R"("project_name":"default","phone_id":null,"member_name":null,"account_name":null,)"
      R"("region_name":null,"region_name_en":null,"backup_status":null,"backup_time":null,)"
      R"("restore_status":null,"restore_time":null}],"page_no":1,"page_size":1,"total_count":3,)"
      R"("error_code":"0","error_msg":"ok"}})");
}

TEST_F(InstanceListTest, Pages) {
  request_.queries["page_size"] = "2";
  EXPECT_EQ(ids(), "alpha-1 alpha-2 ");
  request_.queries["page_no"] = "2";
  EXPECT_EQ(ids(), "beta-1 ");
  for (const char* beyond : {"3", "1000000000"}) {
    request_.queries["page_no"] = beyond;
    EXPECT_EQ(ids(), "");
    EXPECT_EQ(list().at("data").at("total_count").as_int64(), 3);
  }
}

TEST_F(InstanceListTest, Filters) {
  request_.queries["instance_id"] = "alpha-2";
  EXPECT_EQ(ids(), "alpha-2 ");
  request_.queries["instance_id"] = "alpha";
  EXPECT_EQ(ids(), "");
  request_.queries["instance_id"] = "";
  request_.queries["instance_name"] = "-1";
  EXPECT_EQ(ids(), "alpha-1 beta-1 ");
  EXPECT_EQ(list().at("data").at("total_count").as_int64(), 2);
  request_.queries["order"] = "desc";
  EXPECT_EQ(ids(), "beta-1 alpha-1 ");
}

TEST_F(InstanceListTest, FiltersByTheTimeOfCreation) {
  request_.queries["query_start_time"] = "2023-08-15 14:30:46";
  EXPECT_EQ(ids(), "beta-1 ");
  request_.queries["query_start_time"] = "2023-08-15 14:30:45";
  EXPECT_EQ(ids(), "alpha-1 alpha-2 beta-1 ");
  request_.queries["query_end_time"] = "2023-08-15 14:30:45";
  EXPECT_EQ(ids(), "alpha-1 alpha-2 ");
}

TEST_F(InstanceListTest, NothingIsFoundThatDroverHasNot) {
  request_.queries["pool_scene_tag"] = "CLOUD_PHONE";
  EXPECT_EQ(ids(), "alpha-1 alpha-2 beta-1 ");
  request_.queries["pool_scene_tag"] = "CLOUD_APP";
  EXPECT_EQ(ids(), "");
  request_.queries.erase("pool_scene_tag");
  request_.queries["pool_name"] = "group";
  EXPECT_EQ(ids(), "");
}

TEST_F(InstanceListTest, RefusesWhatBreaksARule) {
  request_.queries.erase("page_no");
  EXPECT_EQ(refusal(), "page_no is missing; it must be an integer from 1 to 1,000,000,000");
  request_.queries["page_no"] = "0";
  EXPECT_EQ(refusal(), "page_no must be an integer from 1 to 1,000,000,000");
  request_.queries["page_no"] = "1";
  request_.queries["page_size"] = "1001";
  EXPECT_EQ(refusal(), "page_size must be an integer from 1 to 1,000");
  request_.queries["page_size"] = "1000";
  request_.queries["order"] = "up";
  EXPECT_EQ(refusal(), "order must be asc or desc");
  request_.queries["order"] = "asc";
  request_.queries["pool_scene_tag"] = "x";
  EXPECT_EQ(refusal(), "pool_scene_tag must be CLOUD_PHONE or CLOUD_APP");
  request_.queries["pool_scene_tag"] = "";
  for (const char* bad :
       {"2023-02-29 00:00:00", "2023-08-15T14:30:45", "2023-08-15 24:00:00", "2023-08-15 14:60:45",
        "2023-08-15 14:30:60", "2023-13-01 00:00:00", "2023-08-15", "x"}) {
    request_.queries["query_start_time"] = bad;
    EXPECT_EQ(refusal(), "query_start_time must be a UTC time of the form 2023-08-15 14:30:45") << bad;
  }
  request_.queries["query_start_time"] = "2024-02-29 23:59:59";
  EXPECT_EQ(refusal(), "taken");
}

TEST(StatusNumberTest, FollowsTheLink) {
  EXPECT_EQ(status_number(LinkState::kOnline), 2);
  EXPECT_EQ(status_number(LinkState::kConnecting), 4);
  EXPECT_EQ(status_number(LinkState::kBooting), 4);
  EXPECT_EQ(status_number(LinkState::kOffline), 1);
  EXPECT_EQ(status_number(LinkState::kUnauthorized), 0);
  EXPECT_EQ(status_number(std::nullopt), 0);
}

}  // namespace
}  // namespace drover::api::koophone
