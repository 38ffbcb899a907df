// Drover's own API through the real server, engine and store.
#include <gtest/gtest.h>

#include "api/testing/api_fixture.h"

namespace drover::api {
namespace {

using boost::json::value;

class NativeTest : public ApiTest {
 protected:
  std::string create(const std::string& body) {
    return std::string(body_of(post("/api/v1/tasks", body)).at("task_id").as_string());
  }
  value counts(const std::string& task, const std::string& query = {}) {
    return body_of(get("/api/v1/tasks/" + task + query)).at("counts");
  }
  // A task with one job that ended in each of the given ways, and one that is queued if there is an empty
  // way.
  std::string store_task(const std::vector<store::JobOutcome>& outcomes) {
    store::Task task = store::make_task(1'000, outcomes.size(), identity_->local("default")->project);
    store::WriteBatch batch;
    for (std::uint32_t i = 0; i < outcomes.size(); ++i) batch.ended.push_back({{task.seq, i}, outcomes[i]});
    batch.finished.push_back({task.seq, task.created_ms + 5'000});
    const std::string id = task.id.hex();
    batch.accepted.push_back(std::move(task));
    EXPECT_TRUE(store::write(*store_, std::move(batch)));
    return id;
  }
};

TEST_F(NativeTest, InstancesComeAndGo) {
  const auto stored =
      post("/api/v1/instances", R"({"instances":[{"instance_id":"b","address":"adb://127.0.0.1:1"},)"
                                R"({"instance_id":"a","address":"adb://[::1]:2"}]})");
  EXPECT_EQ(stored.body, R"({"stored":2})");
  const value list = body_of(get("/api/v1/instances")).at("instances");
  ASSERT_EQ(list.as_array().size(), 2u);
  EXPECT_EQ(list.at(0).at("instance_id").as_string(), "a");
  EXPECT_EQ(list.at(0).at("address").as_string(), "adb://[::1]:2");
  EXPECT_EQ(list.at(0).at("model").as_string(), "");
  EXPECT_EQ(list.at(0).at("since").as_string().size(), 24u);
  EXPECT_TRUE(list.at(0).at("why").is_string());
  EXPECT_TRUE(body_of(get("/api/v1/instances?state=online")).at("instances").as_array().empty());
  refused(get("/api/v1/instances?state=asleep"), 400, "KOOPHONE.API.1000");

  EXPECT_EQ(ask("DELETE", "/api/v1/instances/a", admin_).body, "{}");
  EXPECT_EQ(body_of(get("/api/v1/instances")).at("instances").as_array().size(), 1u);
  refused(ask("DELETE", "/api/v1/instances/a", admin_), 404, "KOOPHONE.API.1000");
}

TEST_F(NativeTest, BadInstancesAreRefusedTogether) {
  const std::string bad_address = R"({"instances":[{"instance_id":"a","address":"adb://127.0.0.1:1"},)"
                                  R"({"instance_id":"b","address":"tcp:5555"}]})";
  EXPECT_NE(refused(post("/api/v1/instances", bad_address), 400, "KOOPHONE.API.1000").find("b"),
            std::string::npos);
  const std::string bad_id = R"({"instances":[{"instance_id":"a b","address":"adb://127.0.0.1:1"}]})";
  EXPECT_NE(refused(post("/api/v1/instances", bad_id), 400, "KOOPHONE.API.1000").find("a b"),
            std::string::npos);
  EXPECT_TRUE(body_of(get("/api/v1/instances")).at("instances").as_array().empty());
}

TEST_F(NativeTest, TaskForNamedInstances) {
  const std::string task =
      create(R"({"command":"getprop","instance_ids":["x","y","x"],"start_deadline_s":5,"run_timeout_s":6})");
  const value shown = body_of(get("/api/v1/tasks/" + task + "?wait=30"));
  EXPECT_EQ(shown.at("task_id").as_string(), task);
  EXPECT_EQ(shown.at("command").as_string(), "getprop");
  EXPECT_EQ(shown.at("state").as_string(), "finished");
  EXPECT_EQ(shown.at("created_at").as_string().size(), 24u);
  EXPECT_EQ(shown.at("finished_at").as_string().size(), 24u);
  EXPECT_EQ(shown.at("start_deadline_s").as_int64(), 5);
  EXPECT_EQ(shown.at("run_timeout_s").as_int64(), 6);
  EXPECT_EQ(shown.at("counts"),
            boost::json::parse(R"({"jobs":3,"queued":0,"running":0,"succeeded":0,"failed":3,)"
                               R"("lost":0,"cancelled":0})"));
}

TEST_F(NativeTest, TaskForAllInstances) {
  const std::string none = create(R"({"command":"id","all":true})");
  EXPECT_EQ(body_of(get("/api/v1/tasks/" + none + "?wait=30")).at("state").as_string(), "finished");
  EXPECT_EQ(counts(none).at("jobs").as_int64(), 0);

  add_unreachable("b");
  add_unreachable("a");
  const value made = body_of(post("/api/v1/tasks", R"({"command":"id","all":true})"));
  EXPECT_EQ(made.at("jobs").as_int64(), 2);
  const std::string task(made.at("task_id").as_string());
  EXPECT_EQ(counts(task).at("queued").as_int64(), 2);
  EXPECT_EQ(body_of(get("/api/v1/tasks/" + task)).at("state").as_string(), "running");
  EXPECT_TRUE(body_of(get("/api/v1/tasks/" + task)).at("finished_at").is_null());
  const value jobs = body_of(get("/api/v1/tasks/" + task + "/jobs"));
  EXPECT_EQ(jobs.at("jobs").at(0).at("instance_id").as_string(), "a");
}

TEST_F(NativeTest, CancelEndsWhatWaits) {
  add_unreachable("p1");
  const std::string task = create(R"({"command":"id","instance_ids":["p1","p1"]})");
  http::Client waiting = connect();
  waiting.send(request("GET", "/api/v1/tasks/" + task + "?wait=60", admin_));
  EXPECT_EQ(post("/api/v1/tasks/" + task + "/cancel", "{}").body, "{}");
  EXPECT_EQ(body_of(waiting.read()).at("counts").at("cancelled").as_int64(), 2);
  // Once more is no failure.
  EXPECT_EQ(post("/api/v1/tasks/" + task + "/cancel", "{}").body, "{}");
  refused(post("/api/v1/tasks/x/cancel", "{}"), 404, "KOOPHONE.API.1000");
}

TEST_F(NativeTest, JobsArePagedAndSelected) {
  add_unreachable("p1");
  const std::string task = create(R"({"command":"id","instance_ids":["x","p1","x","x","p1"]})");
  ASSERT_TRUE(eventually([&] { return counts(task).at("failed").as_int64() == 3; }));
  const auto page = [&](const std::string& query) {
    const value body = body_of(get("/api/v1/tasks/" + task + "/jobs?" + query));
    std::string out;
    for (const value& job : body.at("jobs").as_array()) {
      out += std::to_string(Id::parse(std::string_view(job.at("job_id").as_string()))->part()) + " ";
    }
    const value& next = body.at("next_offset");
    return out + (next.is_null() ? "end" : std::to_string(next.as_int64()));
  };
  EXPECT_EQ(page(""), "1 2 3 4 5 end");
  EXPECT_EQ(page("limit=2"), "1 2 2");
  EXPECT_EQ(page("limit=2&offset=2"), "3 4 4");
  EXPECT_EQ(page("limit=2&offset=4"), "5 end");
  EXPECT_EQ(page("offset=5"), "end");
  EXPECT_EQ(page("offset=1000"), "end");
  EXPECT_EQ(page("state=failed"), "1 3 4 end");
  EXPECT_EQ(page("state=failed&limit=2"), "1 3 3");
  EXPECT_EQ(page("state=failed&limit=2&offset=3"), "4 end");
  EXPECT_EQ(page("state=queued"), "2 5 end");
  EXPECT_EQ(page("state=lost"), "end");
  const value queued = body_of(get("/api/v1/tasks/" + task + "/jobs?state=queued")).at("jobs").at(0);
  for (const char* name : {"exit_code", "begun_at", "ended_at", "shown"})
    EXPECT_TRUE(queued.at(name).is_null()) << name;
  for (const char* bad : {"limit=0", "limit=10001", "offset=-1", "state=done"}) {
    refused(get("/api/v1/tasks/" + task + "/jobs?" + bad), 400, "KOOPHONE.API.1000");
  }
}

TEST_F(NativeTest, JobShowsItsWholeOutput) {
  store::JobOutcome ended = store::success("first line\nsecond");
  ended.state = store::JobState::kFailed;
  ended.error = store::JobError::kExit;
  ended.exit_code = 3;
  ended.message = "exit code 3";
  ended.err.bytes = "bad \xff byte";
  ended.err.omitted = 1000;
  ended.err.omitted_at = 4;
  const std::string task = store_task({ended, store::success()});
  const std::string job = Id::parse(task)->job(0).hex();

  const value shown = body_of(get("/api/v1/jobs/" + job));
  EXPECT_EQ(shown.at("job_id").as_string(), job);
  EXPECT_EQ(shown.at("instance_id").as_string(), "phone-0");
  EXPECT_EQ(shown.at("state").as_string(), "failed");
  EXPECT_EQ(shown.at("error_code").as_string(), "DROVER.JOB.EXIT");
  EXPECT_EQ(shown.at("error_msg").as_string(), "exit code 3");
  EXPECT_EQ(shown.at("exit_code").as_int64(), 3);
  EXPECT_EQ(shown.at("begun_at").as_string(), "2023-11-14T22:13:21.000Z");
  EXPECT_EQ(shown.at("ended_at").as_string(), "2023-11-14T22:13:21.234Z");
  EXPECT_EQ(shown.at("stdout").as_string(), "first line\nsecond");
  EXPECT_EQ(shown.at("stderr").as_string(), "bad \xEF\xBF\xBD byte");
  EXPECT_EQ(shown.at("stdout_omitted_bytes").as_int64(), 0);
  EXPECT_EQ(shown.at("stderr_omitted_bytes").as_int64(), 1000);
  EXPECT_EQ(shown.at("stderr_omitted_at").as_int64(), 4);
  EXPECT_EQ(shown.at("output_hash").as_string().size(), 16u);

  const http::Answer out = get("/api/v1/jobs/" + job + "/stdout");
  EXPECT_EQ(out.header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(out.body, "first line\nsecond");
  EXPECT_FALSE(out.header("X-Drover-Omitted-Bytes"));
  const http::Answer err = get("/api/v1/jobs/" + job + "/stderr");
  EXPECT_EQ(err.body, "bad \xff byte");
  EXPECT_EQ(err.header("X-Drover-Omitted-Bytes"), "1000");
  EXPECT_EQ(err.header("X-Drover-Omitted-At"), "4");
}

TEST_F(NativeTest, JobIdsThatAreNone) {
  const std::string task = create(R"({"command":"id","instance_ids":["x"]})");
  for (const std::string& id : {std::string("x"), task, Id::parse(task)->job(1).hex(),
                                Id::parse(task)->job(99999999).hex(), std::string(32, 'f')}) {
    for (const char* suffix : {"", "/stdout", "/stderr"}) {
      refused(get("/api/v1/jobs/" + id + suffix), 404, "KOOPHONE.API.1000");
    }
  }
}

TEST_F(NativeTest, OpenJobHasNoOutputYet) {
  add_unreachable("p1");
  const std::string task = create(R"({"command":"id","instance_ids":["p1"]})");
  const std::string job = Id::parse(task)->job(0).hex();
  const value shown = body_of(get("/api/v1/jobs/" + job));
  EXPECT_EQ(shown.at("state").as_string(), "queued");
  EXPECT_EQ(shown.at("stdout").as_string(), "");
  EXPECT_TRUE(shown.at("ended_at").is_null());
  EXPECT_NE(refused(get("/api/v1/jobs/" + job + "/stdout"), 404, "KOOPHONE.API.1000").find("not ended"),
            std::string::npos);
}

TEST_F(NativeTest, TasksAreListedNewestFirst) {
  std::vector<std::string> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(create(R"({"command":"id","instance_ids":["x"]})"));
  const auto page = [&](const std::string& query) {
    const value body = body_of(get("/api/v1/tasks" + query));
    std::vector<std::string> out;
    for (const value& task : body.at("tasks").as_array()) out.emplace_back(task.at("task_id").as_string());
    return out;
  };
  EXPECT_EQ(page(""), std::vector<std::string>(tasks.rbegin(), tasks.rend()));
  EXPECT_EQ(page("?limit=2"), (std::vector{tasks[4], tasks[3]}));
  EXPECT_EQ(page("?limit=2&before=" + tasks[3]), (std::vector{tasks[2], tasks[1]}));
  EXPECT_TRUE(page("?before=" + tasks[0]).empty());
  refused(get("/api/v1/tasks?before=" + std::string(32, 'f')), 404, "KOOPHONE.API.1000");
  refused(get("/api/v1/tasks?limit=1001"), 400, "KOOPHONE.API.1000");
}

TEST_F(NativeTest, ListedTaskThatMemoryHasLetGoOf) {
  store::JobOutcome lost = store::success();
  lost.state = store::JobState::kLost;
  store_task({store::success(), lost});
  const value listed = body_of(get("/api/v1/tasks")).at("tasks").at(0);
  EXPECT_EQ(listed.at("state").as_string(), "finished");
  EXPECT_EQ(listed.at("counts"),
            boost::json::parse(R"({"jobs":2,"queued":0,"running":0,"succeeded":1,"failed":0,)"
                               R"("lost":1,"cancelled":0})"));
}

TEST_F(NativeTest, ProjectsAndTokensOverTheSocket) {
  const value made =
      body_of(ask_local("POST", "/api/v1/projects", R"({"name":"new","koophone_commands_only":true})"));
  EXPECT_EQ(made.at("name").as_string(), "new");
  EXPECT_TRUE(made.at("koophone_commands_only").as_bool());
  EXPECT_EQ(made.at("created_at").as_string().size(), 24u);
  EXPECT_EQ(body_of(ask_local("GET", "/api/v1/projects")).at("projects").as_array().size(), 4u);
  refused(ask_local("POST", "/api/v1/projects", R"({"name":"new"})"), 400, "KOOPHONE.API.1000");
  refused(ask_local("POST", "/api/v1/projects", R"({"name":"a b"})"), 400, "KOOPHONE.API.1000");

  const value token = body_of(ask_local("POST", "/api/v1/tokens", R"({"project":"new","role":"admin"})"));
  EXPECT_EQ(token.at("project").as_string(), "new");
  EXPECT_EQ(token.at("role").as_string(), "admin");
  EXPECT_EQ(token.at("token").as_string().size(), 47u);
  const http::Answer list = ask_local("GET", "/api/v1/tokens?project=new");
  const value tokens = body_of(list).at("tokens");
  ASSERT_EQ(tokens.as_array().size(), 1u);
  EXPECT_EQ(tokens.at(0).at("token_id").as_string(), token.at("token_id").as_string());
  EXPECT_EQ(list.body.find("drv_"), std::string::npos);
  EXPECT_EQ(body_of(ask_local("GET", "/api/v1/tokens")).at("tokens").as_array().size(), 5u);

  refused(ask_local("GET", "/api/v1/tokens?project=none"), 404, "KOOPHONE.API.1000");
  refused(ask_local("POST", "/api/v1/tokens", R"({"project":"none","role":"admin"})"), 404,
          "KOOPHONE.API.1000");
  refused(ask_local("POST", "/api/v1/tokens", R"({"project":"new","role":"admin","expires_s":0})"), 400,
          "KOOPHONE.API.1000");
  refused(ask_local("DELETE", "/api/v1/tokens/none"), 404, "KOOPHONE.API.1000");
}

TEST_F(NativeTest, HealthAndMetrics) {
  EXPECT_EQ(ask("GET", "/healthz", {}).body, R"({"status":"ok"})");
  EXPECT_EQ(ask("GET", "/readyz", {}).body, R"({"status":"ready"})");
  const http::Answer metrics = ask("GET", "/metrics", {});
  EXPECT_EQ(metrics.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(metrics.body.find("drover_"), std::string::npos);

  ready_ = false;
  const http::Answer draining = ask("GET", "/readyz", {});
  refused(draining, 503, "KOOPHONE.API.9999");
  EXPECT_TRUE(draining.header("Retry-After"));
  EXPECT_EQ(ask("GET", "/healthz", {}).status, 200u);
}

TEST_F(NativeTest, LargeRequestsHaveRoom) {
  std::string instances;
  for (int i = 0; i < 2'000; ++i) {
    instances += std::string(i > 0 ? "," : "") + R"({"instance_id":"phone-)" + std::to_string(i) +
                 R"(","address":"adb://127.0.0.1:1","note":")" + std::string(600, 'x') + "\"}";
  }
  EXPECT_EQ(post("/api/v1/instances", R"({"instances":[)" + instances + "]}").body, R"({"stored":2000})");
  const value made = body_of(post("/api/v1/tasks", R"({"command":"id","all":true})"));
  EXPECT_EQ(made.at("jobs").as_int64(), 2'000);
}

}  // namespace
}  // namespace drover::api
