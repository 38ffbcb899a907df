// Roles that are about some instances only, by id or by label.
#include "api/by_instance.h"

#include <gtest/gtest.h>

#include "api/testing/api_fixture.h"

namespace drover::api {
namespace {

using identity::Action;

identity::Permissions permissions_of(std::string_view text) {
  return identity::Permissions(
      {std::make_shared<const identity::Policy>(identity::parse_policy("test", text).value())});
}

TEST(JudgeTest, NamesTheFirstAndCountsTheRest) {
  const auto some =
      permissions_of(R"({"Statement":[{"Effect":"Allow","Action":["*"],"Resource":["instance:a*"]}]})");
  Judge judge(some, Action::kAsyncCommand);
  judge.add("a1", {});
  EXPECT_TRUE(judge.verdict());
  judge.add("b1", {});
  EXPECT_EQ(judge.verdict().error().status, 403u);
  EXPECT_EQ(judge.verdict().error().message,
            "the role does not allow koophone:cloudphoneResource:asyncInvokeInstance on b1");
  for (int i = 0; i < 1'500; ++i) judge.add("b2", {});
  EXPECT_EQ(judge.verdict().error().message,
            "the role does not allow koophone:cloudphoneResource:asyncInvokeInstance on b1 and 1,500 more");
}

class ByInstanceTest : public ApiTest {
 protected:
  ByInstanceTest() {
    put(R"({"instance_id":"b1","address":"adb://127.0.0.1:1","labels":{"team":"blue"}},)"
        R"({"instance_id":"b2","address":"adb://127.0.0.1:1","labels":{"team":"blue","prod":"yes"}},)"
        R"({"instance_id":"r1","address":"adb://127.0.0.1:1","labels":{"team":"red"}},)"
        R"({"instance_id":"n1","address":"adb://127.0.0.1:1"})");
    put_policy("blue", R"({"Statement":[{"Effect":"Allow","Action":["*"],"Resource":["label:team=blue"]},
                                        {"Effect":"Deny","Action":["*:asyncInvokeInstance"],
                                         "Resource":["label:prod=*"]}]})");
    blue_ = make_token("default", "blue");
  }

  void put(const std::string& instances, std::string token = {}) {
    if (token.empty()) token = admin_;
    body_of(ask("POST", "/api/v1/instances", token, R"({"instances":[)" + instances + "]}"));
  }
  http::Answer try_put(const std::string& instance) {
    return ask("POST", "/api/v1/instances", blue_, R"({"instances":[)" + instance + "]}");
  }
  http::Answer command(const std::string& ids) {
    return ask("POST", "/v1/instances/async-command", blue_,
               R"({"command":"id","instance_ids":[)" + ids + "]}");
  }
  std::vector<std::string> listed(const std::string& target) {
    const auto answer = body_of(ask("GET", target, blue_));
    std::vector<std::string> ids;
    for (const auto& one : answer.at("instances").as_array())
      ids.emplace_back(one.at("instance_id").as_string());
    return ids;
  }

  std::string blue_;
};

TEST_F(ByInstanceTest, OneThatIsDeniedRefusesAll) {
  EXPECT_EQ(command(R"("b1")").status, 200u);
  EXPECT_EQ(refused(command(R"("b1","r1","n1","b1")"), 403, "KOOPHONE.API.1001"),
            "the role does not allow koophone:cloudphoneResource:asyncInvokeInstance on r1 and 1 more");
  // What no such instance is has no labels.
  refused(command(R"("unknown")"), 403, "KOOPHONE.API.1001");
  // A denial wins.
  refused(command(R"("b2")"), 403, "KOOPHONE.API.1001");
  EXPECT_EQ(ask("POST", "/v1/instances/batch-query-status", blue_, R"({"instance_ids":["b1","b2"]})").status,
            200u);
  refused(ask("POST", "/v1/instances/batch-query-status", blue_, R"({"instance_ids":["b1","n1"]})"), 403,
          "KOOPHONE.API.1001");
}

TEST_F(ByInstanceTest, AllAreThoseThatHeMayCommand) {
  const auto made = body_of(ask("POST", "/api/v1/tasks", blue_, R"({"command":"id","all":true})"));
  EXPECT_EQ(made.at("jobs").as_int64(), 1);
  const std::string task(made.at("task_id").as_string());
  const auto jobs = body_of(get("/api/v1/tasks/" + task + "/jobs"));
  EXPECT_EQ(jobs.at("jobs").at(0).at("instance_id").as_string(), "b1");

  put_policy("none", R"({"Statement":[{"Effect":"Allow","Action":["*"],"Resource":["instance:nowhere"]}]})");
  const auto none =
      body_of(ask("POST", "/api/v1/tasks", make_token("default", "none"), R"({"command":"id","all":true})"));
  EXPECT_EQ(none.at("jobs").as_int64(), 0);
}

TEST_F(ByInstanceTest, ListsLeaveOutWhatIsDenied) {
  EXPECT_EQ(listed("/api/v1/instances"), (std::vector<std::string>{"b1", "b2"}));
  const auto page = body_of(ask("GET", "/v1/instances/batch-query?page_no=1&page_size=10", blue_));
  EXPECT_EQ(page.at("data").at("total_count").as_int64(), 2);
}

TEST_F(ByInstanceTest, TaskIsReadByWhoMayReadAllOfIt) {
  const std::string mine = accept(R"(["b1","b1"])");
  const std::string mixed = accept(R"(["b1","r1"])");
  for (const std::string before : {"/v1/instances/tasks/", "/api/v1/tasks/"}) {
    EXPECT_EQ(ask("GET", before + mine, blue_).status, 200u);
    refused(ask("GET", before + mixed, blue_), 403, "KOOPHONE.API.1001");
    refused(ask("GET", before + std::string(32, '0'), blue_), 404, "KOOPHONE.API.1000");
  }
  refused(ask("GET", "/api/v1/tasks/" + mixed + "/jobs", blue_), 403, "KOOPHONE.API.1001");
  const auto job = [&](std::uint32_t index) { return "/api/v1/jobs/" + Id::parse(mixed)->job(index).hex(); };
  EXPECT_EQ(ask("GET", job(0), blue_).status, 200u);
  refused(ask("GET", job(1), blue_), 403, "KOOPHONE.API.1001");
  refused(ask("POST", "/api/v1/tasks/" + mixed + "/cancel", blue_), 403, "KOOPHONE.API.1001");
  EXPECT_EQ(ask("POST", "/api/v1/tasks/" + mine + "/cancel", blue_).status, 200u);
  refused(ask("GET", "/api/v1/tasks", blue_), 403, "KOOPHONE.API.1001");
}

// Whoever may put blue instances can make none his own that is not, nor give one away.
TEST_F(ByInstanceTest, PutIsJudgedBeforeAndAfter) {
  const std::string blue = R"("address":"adb://127.0.0.1:1","labels":{"team":"blue"}})";
  const std::string red = R"("address":"adb://127.0.0.1:1","labels":{"team":"red"}})";
  const std::string same = R"("address":"adb://127.0.0.1:2"})";
  EXPECT_EQ(try_put(R"({"instance_id":"new",)" + blue).status, 200u);
  refused(try_put(R"({"instance_id":"new2",)" + red), 403, "KOOPHONE.API.1001");
  refused(try_put(R"({"instance_id":"new3",)" + same), 403, "KOOPHONE.API.1001");
  refused(try_put(R"({"instance_id":"r1",)" + blue), 403, "KOOPHONE.API.1001");
  refused(try_put(R"({"instance_id":"r1",)" + same), 403, "KOOPHONE.API.1001");
  refused(try_put(R"({"instance_id":"b1",)" + red), 403, "KOOPHONE.API.1001");
  refused(try_put(R"({"instance_id":"b1","address":"adb://127.0.0.1:1","labels":{}})"), 403,
          "KOOPHONE.API.1001");
  EXPECT_EQ(try_put(R"({"instance_id":"b1",)" + same).status, 200u) << "it keeps its labels";
  EXPECT_EQ(listed("/api/v1/instances"), (std::vector<std::string>{"b1", "b2", "new"}));

  refused(ask("DELETE", "/api/v1/instances/r1", blue_), 403, "KOOPHONE.API.1001");
  EXPECT_EQ(ask("DELETE", "/api/v1/instances/new", blue_).status, 200u);
}

TEST_F(ByInstanceTest, NewLabelsCountForTheNextRequest) {
  EXPECT_EQ(command(R"("b1")").status, 200u);
  put(R"({"instance_id":"b1","address":"adb://127.0.0.1:1","labels":{"team":"red"}})");
  refused(command(R"("b1")"), 403, "KOOPHONE.API.1001");
  const auto all = body_of(get("/api/v1/instances"));
  for (const auto& one : all.at("instances").as_array()) {
    if (one.at("instance_id").as_string() == "b1") {
      EXPECT_EQ(one.at("labels").at("team").as_string(), "red");
    }
  }
}

// Judged in steps, on another thread than the engine's.
TEST_F(ByInstanceTest, ManyInstances) {
  std::string instances;
  std::string ids;
  for (int i = 0; i < 5'000; ++i) {
    const std::string id = "m" + std::to_string(i);
    if (i > 0) instances += ',';
    instances.append(R"({"instance_id":")").append(id);
    instances.append(R"(","address":"adb://127.0.0.1:1","labels":{"team":")");
    instances.append(i == 4'321 ? "red" : "blue").append("\"}}");
    if (i == 4'321) continue;
    if (!ids.empty()) ids += ',';
    ids.append("\"").append(id).append("\"");
  }
  put(instances);
  const auto task = [&](const std::string& list) {
    return ask("POST", "/api/v1/tasks", blue_, R"({"command":"id","instance_ids":[)" + list + "]}");
  };
  EXPECT_EQ(body_of(task(ids)).at("jobs").as_int64(), 4'999);
  EXPECT_NE(refused(task(ids + ",\"m4321\""), 403, "KOOPHONE.API.1001").find("on m4321"), std::string::npos);
}

}  // namespace
}  // namespace drover::api
