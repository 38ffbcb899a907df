// KooPhone's operations through the real server, engine and store.
#include <gtest/gtest.h>

#include "api/testing/api_fixture.h"

namespace drover::api {
namespace {

using boost::json::value;

constexpr char kAsync[] = "/v1/instances/async-command";
constexpr char kSync[] = "/v1/instances/sync-command";
constexpr char kUnknown[] = R"({"command":"id","instance_ids":["nobody"]})";

class KooPhoneTest : public ApiTest {};

TEST_F(KooPhoneTest, AsyncCommandNamesTaskAndJobs) {
  const http::Answer answer = post(kAsync, R"({"command":"id","instance_ids":["b","a","b"]})");
  const value body = body_of(answer);
  const value& data = body.at("data");
  const Id task = Id::parse(std::string_view(data.at("task_id").as_string())).value();
  EXPECT_EQ(answer.body, R"({"data":{"task_id":")" + task.hex() +
                             R"(","cmd_jobs":[{"instance_id":"b","job_id":")" + task.job(0).hex() +
                             R"("},{"instance_id":"a","job_id":")" + task.job(1).hex() +
                             R"("},{"instance_id":"b","job_id":")" + task.job(2).hex() +
                             R"("}]},"error_code":"0","error_msg":"ok"})");
}

TEST_F(KooPhoneTest, UnknownInstanceEndsAsPhoneNotFound) {
  const std::string task = accept(R"(["nobody"])");
  const http::Answer answer = get("/v1/instances/tasks/" + task + "?wait=30");
  EXPECT_EQ(answer.body, R"({"data":{"jobs":[{"job_id":")" + Id::parse(task)->job(0).hex() +
                             R"(","status":-1,"error_code":"CPS0005","error_msg":"Phone not found.",)"
                             R"("execute_msg":null}]},"error_code":"0","error_msg":"ok"})");
  // From the answer that was kept, too.
  EXPECT_EQ(get("/v1/instances/tasks/" + task).body, answer.body);
}

TEST_F(KooPhoneTest, QueuedJobIsRunning) {
  add_unreachable("p1");
  const std::string task = accept(R"(["p1","nobody"])");
  const value jobs = body_of(get("/v1/instances/tasks/" + task)).at("data").at("jobs");
  EXPECT_EQ(jobs.at(0).at("status").as_int64(), 1);
  EXPECT_EQ(jobs.at(0).at("error_code").as_string(), "");
  EXPECT_TRUE(jobs.at(0).at("execute_msg").is_null());
}

TEST_F(KooPhoneTest, WaitAnswersWhenTheTaskEnds) {
  add_unreachable("p1");
  const std::string task = accept(R"(["p1"])");
  constexpr int kClients = 20;
  std::vector<http::Client> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(connect());
    clients.back().send(request("GET", "/v1/instances/tasks/" + task + "?wait=60", admin_));
  }
  EXPECT_EQ(post("/api/v1/tasks/" + task + "/cancel", "{}").status, 200u);
  for (http::Client& client : clients) {
    const value job = body_of(client.read()).at("data").at("jobs").at(0);
    EXPECT_EQ(job.at("error_code").as_string(), "DROVER.JOB.CANCELLED");
    EXPECT_TRUE(job.at("execute_msg").is_null());
  }
}

TEST_F(KooPhoneTest, WaitAnswersWhenItsTimeIsUp) {
  add_unreachable("p1");
  const std::string task = accept(R"(["p1"])");
  const auto begun = std::chrono::steady_clock::now();
  const value body = body_of(get("/v1/instances/tasks/" + task + "?wait=1"));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, Millis(1000));
  EXPECT_EQ(body.at("data").at("jobs").at(0).at("status").as_int64(), 1);
  // The task is still waited for by whoever asks again.
  http::Client again = connect();
  again.send(request("GET", "/v1/instances/tasks/" + task + "?wait=60", admin_));
  EXPECT_EQ(post("/api/v1/tasks/" + task + "/cancel", "{}").status, 200u);
  EXPECT_EQ(body_of(again.read()).at("data").at("jobs").at(0).at("status").as_int64(), -1);
}

TEST_F(KooPhoneTest, StoppingAnswersWhoWaits) {
  add_unreachable("p1");
  const std::string task = accept(R"(["p1"])");
  http::Client early = connect();
  early.send(request("GET", "/v1/instances/tasks/" + task + "?wait=60", admin_));
  api_->stop_waiting();
  EXPECT_EQ(body_of(early.read()).at("data").at("jobs").at(0).at("status").as_int64(), 1);
  // Who comes later does not wait either.
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(get("/v1/instances/tasks/" + task + "?wait=60").status, 200u);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, Seconds(10));
}

TEST_F(KooPhoneTest, WhoGoesAwayWhileWaitingHarmsNobody) {
  add_unreachable("p1");
  const std::string task = accept(R"(["p1"])");
  for (int i = 0; i < 20; ++i) {
    http::Client client = connect();
    client.send(request("GET", "/v1/instances/tasks/" + task + "?wait=60", admin_));
    client.reset();
  }
  http::Client stays = connect();
  stays.send(request("GET", "/v1/instances/tasks/" + task + "?wait=60", admin_));
  EXPECT_EQ(post("/api/v1/tasks/" + task + "/cancel", "{}").status, 200u);
  EXPECT_EQ(stays.read().status, 200u);
}

TEST_F(KooPhoneTest, WaitIsChecked) {
  const std::string task = accept(R"(["nobody"])");
  for (const char* wait : {"61", "-1", "x", "", "1.5"}) {
    EXPECT_EQ(refused(get("/v1/instances/tasks/" + task + "?wait=" + wait), 400, "KOOPHONE.API.1000"),
              "wait must be an integer from 0 to 60");
  }
}

TEST_F(KooPhoneTest, TaskIdsThatAreNone) {
  const std::string task = accept(R"(["nobody"])");
  for (const std::string& id : {std::string("x"), std::string(32, '0'), std::string(33, '0'), task + "0",
                                Id::parse(task)->job(0).hex(), std::string("ZGCA1234")}) {
    refused(get("/v1/instances/tasks/" + id), 404, "KOOPHONE.API.1000");
  }
}

TEST_F(KooPhoneTest, SyncCommandAnswersWithResults) {
  const http::Answer answer = post(kSync, kUnknown);
  EXPECT_EQ(answer.body,
            R"({"data":{"cmd_results":[{"instance_id":"nobody","status":-1,"error_code":"CPS0005",)"
            R"("error_msg":"Phone not found.","execute_msg":null}]},"error_code":"0","error_msg":"ok"})");
  const std::string task = answer.header("X-Drover-Task-Id").value();
  EXPECT_EQ(get("/v1/instances/tasks/" + task).status, 200u);
}

class ImpatientSyncTest : public ApiTest {
 protected:
  ImpatientSyncTest() : ApiTest(options()) {}
  static ApiOptions options() {
    ApiOptions made;
    made.sync_wait = Millis(50);
    return made;
  }
};

TEST_F(ImpatientSyncTest, WhatIsNotFinishedStaysATask) {
  add_unreachable("p1");
  const http::Answer answer = post(kSync, R"({"command":"id","instance_ids":["p1","nobody"]})");
  const value results = body_of(answer).at("data").at("cmd_results");
  EXPECT_EQ(results.at(0).at("instance_id").as_string(), "p1");
  EXPECT_EQ(results.at(0).at("status").as_int64(), 1);
  EXPECT_TRUE(results.at(0).at("execute_msg").is_null());
  EXPECT_EQ(results.at(1).at("error_code").as_string(), "CPS0005");
  const std::string task = answer.header("X-Drover-Task-Id").value();
  EXPECT_EQ(body_of(get("/v1/instances/tasks/" + task)).at("data").at("jobs").at(0).at("status").as_int64(),
            1);
}

TEST_F(KooPhoneTest, StartDeadlineIsOfTheRequest) {
  add_unreachable("p1");
  const http::Answer answer =
      post(kSync, R"({"command":"id","instance_ids":["p1"],"start_deadline_s":1,"run_timeout_s":1})");
  const value result = body_of(answer).at("data").at("cmd_results").at(0);
  EXPECT_EQ(result.at("error_code").as_string(), "DROVER.JOB.OFFLINE");
}

TEST_F(KooPhoneTest, BatchQueryStatusAnswersInOrder) {
  add_unreachable("p1");
  const http::Answer answer =
      post("/v1/instances/batch-query-status", R"({"instance_ids":["nobody","p1","nobody"]})");
  const value results = body_of(answer).at("data").at("status_results");
  ASSERT_EQ(results.as_array().size(), 3u);
  EXPECT_EQ(results.at(0).at("instance_id").as_string(), "nobody");
  EXPECT_EQ(results.at(0).at("status").as_int64(), 0);
  const auto status = results.at(1).at("status").as_int64();
  EXPECT_TRUE(status == 1 || status == 4) << status;
  EXPECT_EQ(body_of(answer).at("error_code").as_string(), "0");
}

TEST_F(KooPhoneTest, BatchQueryListsTheProjectsInstances) {
  add_unreachable("p2");
  add_unreachable("p1");
  const value body =
      body_of(get("/v1/instances/batch-query?x-request-id=abc&page_no=1&page_size=10&instance_name=p"));
  EXPECT_EQ(body.as_object().size(), 1u);
  const value& data = body.at("data");
  EXPECT_EQ(data.at("total_count").as_int64(), 2);
  EXPECT_EQ(data.at("result").at(0).at("instance_id").as_string(), "p1");
  EXPECT_EQ(data.at("result").at(0).at("project_name").as_string(), "default");
  EXPECT_EQ(data.at("error_code").as_string(), "0");
  EXPECT_EQ(refused(get("/v1/instances/batch-query?page_no=1"), 400, "KOOPHONE.API.1000"),
            "page_size is missing; it must be an integer from 1 to 1,000");
}

TEST_F(KooPhoneTest, PolicyOfTheProjectCounts) {
  const std::string body = R"({"command":"ls; id","instance_ids":["nobody"]})";
  EXPECT_EQ(post(kAsync, body).status, 200u);
  refused(ask("POST", kAsync, narrow_, body), 400, "KOOPHONE.API.1000");
  refused(ask("POST", kSync, narrow_, body), 400, "KOOPHONE.API.1000");
  refused(ask("POST", "/api/v1/tasks", narrow_, R"({"command":"ls; id","all":true})"), 400,
          "KOOPHONE.API.1000");
  EXPECT_EQ(ask("POST", kAsync, narrow_, R"({"command":"ls -l /system","instance_ids":["nobody"]})").status,
            200u);
}

TEST_F(KooPhoneTest, HostileBodies) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"command":"id")", "the body must be a whole JSON object: it ends too early"},
      {R"(["command"])", "the body must be a JSON object"},
      {R"({"command":"id","instance_ids":["a", 1]})", "instance_ids[1] must be a string"},
      {R"({"command":"\u0000","instance_ids":["a"]})", "command must not hold a NUL character"},
      {"{\"command\":\"\xff\",\"instance_ids\":[\"a\"]}", "the body must be JSON in UTF-8: syntax error"},
      {"{\"x\":" + std::string(500'000, '['), "the body must not be nested deeper than 16 levels"},
  };
  for (const auto& [body, message] : cases) {
    for (const char* path : {kAsync, kSync})
      EXPECT_EQ(refused(post(path, body), 400, "KOOPHONE.API.1000"), message);
  }
  refused(ask("POST", kAsync, admin_), 400, "KOOPHONE.API.1000");
}

TEST_F(KooPhoneTest, TenMebibytesAreTooMuch) {
  const std::string body =
      R"({"command":"id","instance_ids":["a"],"x":")" + std::string(10 * 1024 * 1024, 'x') + "\"}";
  http::Client client = connect();
  client.send(request("POST", kAsync, admin_, body));
  refused(client.read(), 413, "KOOPHONE.API.1000");
}

TEST_F(KooPhoneTest, OtherContentTypesAreRefused) {
  const std::string body = kUnknown;
  const auto send = [&](const std::string& type) {
    return connect().ask("POST " + std::string(kAsync) +
                         " HTTP/1.1\r\nHost: drover\r\nX-Auth-Token: " + admin_ + "\r\n" + type +
                         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  };
  EXPECT_EQ(send("Content-Type: application/json; charset=utf-8\r\n").status, 200u);
  EXPECT_EQ(send("Content-Type: Application/JSON\r\n").status, 200u);
  EXPECT_EQ(send("").status, 200u);
  for (const char* type : {"text/plain", "application/jsonx", "application/x-www-form-urlencoded", ""}) {
    refused(send("Content-Type: " + std::string(type) + "\r\n"), 415, "KOOPHONE.API.1000");
  }
}

TEST_F(KooPhoneTest, ServersOwnErrorsHaveTheSameForm) {
  refused(get("/v1/instances/nothing"), 404, "APIGW.0101");
  const http::Answer wrong_method = get(kAsync);
  refused(wrong_method, 405, "APIGW.0101");
  EXPECT_EQ(wrong_method.header("Allow"), "POST");
  refused(get("/v1/instances/tasks/x?" + std::string(100'000, 'q')), 431, "KOOPHONE.API.1000");
}

TEST_F(KooPhoneTest, RequestIdComesBack) {
  EXPECT_EQ(ask("POST", kAsync, admin_, kUnknown, "x-request-id: abc-1\r\n").header("X-Request-Id"), "abc-1");
  EXPECT_EQ(get("/v1/instances/batch-query?page_no=1&page_size=1&x-request-id=abc-2").header("X-Request-Id"),
            "abc-2");
}

class FullQueueTest : public ApiTest {
 protected:
  FullQueueTest() : ApiTest({}, engine_options()) {}
  static task::EngineOptions engine_options() {
    task::EngineOptions made;
    made.max_queued_jobs = 2;
    made.cache_bytes = 0;
    return made;
  }
};

TEST_F(FullQueueTest, IsA503ThatSaysWhenToComeBack) {
  add_unreachable("p1");
  accept(R"(["p1","p1"])");
  for (const char* path : {kAsync, kSync}) {
    const http::Answer answer = post(path, R"({"command":"id","instance_ids":["p1"]})");
    refused(answer, 503, "KOOPHONE.API.9999");
    EXPECT_EQ(answer.header("Retry-After"), "5");
  }
  refused(post("/api/v1/tasks", R"({"command":"id","all":true})"), 503, "KOOPHONE.API.9999");
}

// With no place in memory, every finished task is read from the store.
TEST_F(FullQueueTest, FinishedTaskIsReadFromTheStore) {
  const std::string task = accept(R"(["nobody"])");
  const auto find = [&] { return engine_->find_in_memory(1, *Id::parse(task)); };
  ASSERT_TRUE(eventually([&] { return find() == nullptr; }));
  for (const char* query : {"", "?wait=30"}) {
    const value job = body_of(get("/v1/instances/tasks/" + task + query)).at("data").at("jobs").at(0);
    EXPECT_EQ(job.at("error_code").as_string(), "CPS0005");
  }
  refused(ask("GET", "/v1/instances/tasks/" + task, other_), 404, "KOOPHONE.API.1000");
}

TEST_F(KooPhoneTest, DrainingNodeTakesNoMore) {
  const auto drained = std::make_shared<std::promise<void>>();
  engine_->drain([drained] { drained->set_value(); });
  const http::Answer answer = post(kAsync, kUnknown);
  refused(answer, 503, "KOOPHONE.API.9999");
  EXPECT_EQ(answer.header("Retry-After"), "5");
  drained->get_future().wait();
}

}  // namespace
}  // namespace drover::api
