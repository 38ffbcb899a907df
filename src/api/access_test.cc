// Every route, asked by everybody who might ask.
#include <gtest/gtest.h>

#include "api/testing/api_fixture.h"

namespace drover::api {
namespace {

using http::Method;

// What each route is to ask of its callers, written down a second time. A route that is missing here fails.
struct Expected {
  Method method;
  const char* pattern;
  Access access;
};
constexpr Expected kRoutes[] = {
    {Method::kPost, "/v1/instances/async-command", Access::kChange},
    {Method::kPost, "/v1/instances/sync-command", Access::kChange},
    {Method::kGet, "/v1/instances/tasks/{task_id}", Access::kRead},
    {Method::kPost, "/v1/instances/batch-query-status", Access::kRead},
    {Method::kGet, "/v1/instances/batch-query", Access::kRead},
    {Method::kGet, "/api/v1/instances", Access::kRead},
    {Method::kPost, "/api/v1/instances", Access::kChange},
    {Method::kDelete, "/api/v1/instances/{instance_id}", Access::kChange},
    {Method::kPost, "/api/v1/tasks", Access::kChange},
    {Method::kGet, "/api/v1/tasks", Access::kRead},
    {Method::kGet, "/api/v1/tasks/{task_id}", Access::kRead},
    {Method::kPost, "/api/v1/tasks/{task_id}/cancel", Access::kChange},
    {Method::kGet, "/api/v1/tasks/{task_id}/jobs", Access::kRead},
    {Method::kGet, "/api/v1/jobs/{job_id}", Access::kRead},
    {Method::kGet, "/api/v1/jobs/{job_id}/stdout", Access::kRead},
    {Method::kGet, "/api/v1/jobs/{job_id}/stderr", Access::kRead},
    {Method::kPost, "/api/v1/projects", Access::kOwner},
    {Method::kGet, "/api/v1/projects", Access::kOwner},
    {Method::kPost, "/api/v1/tokens", Access::kOwner},
    {Method::kGet, "/api/v1/tokens", Access::kOwner},
    {Method::kDelete, "/api/v1/tokens/{token_id}", Access::kOwner},
    {Method::kGet, "/healthz", Access::kOpen},
    {Method::kGet, "/readyz", Access::kOpen},
    {Method::kGet, "/metrics", Access::kOpen},
};

std::string method_name(Method method) {
  return method == Method::kGet ? "GET" : method == Method::kPost ? "POST" : "DELETE";
}

class AccessTest : public ApiTest {
 protected:
  AccessTest() {
    add_unreachable("p1");
    task_ = accept(R"(["p1"])");
  }

  // The route's path, naming things that are there, in the project "default".
  std::string path(std::string pattern) const {
    const std::string job = Id::parse(task_)->job(0).hex();
    const std::pair<std::string, std::string> values[] = {{"{task_id}", task_},
                                                          {"{job_id}", job},
                                                          {"{instance_id}", "p1"},
                                                          {"{token_id}", "tok_0123456789abcdef"}};
    for (const auto& [name, value] : values) {
      if (const auto at = pattern.find(name); at != std::string::npos)
        pattern.replace(at, name.size(), value);
    }
    return pattern;
  }

  http::Answer visit(const Expected& route, const std::string& token) {
    return ask(method_name(route.method), path(route.pattern), token,
               route.method == Method::kPost ? "{}" : "");
  }

  std::string task_;
};

TEST_F(AccessTest, TableHasEveryRoute) {
  std::vector<std::string> expected;
  for (const Expected& route : kRoutes) {
    expected.push_back(method_name(route.method) + " " + route.pattern + " " +
                       std::to_string(static_cast<int>(route.access)));
  }
  std::vector<std::string> added;
  for (const Routes::Added& route : api_->routes()) {
    added.push_back(method_name(route.method) + " " + route.pattern + " " +
                    std::to_string(static_cast<int>(route.access)));
  }
  EXPECT_EQ(added, expected);
}

TEST_F(AccessTest, WithoutATokenThereIsNoAnswer) {
  for (const Expected& route : kRoutes) {
    for (const std::string& token :
         {std::string(), std::string("mistaken"), "x" + admin_, std::string(4096, 'x')}) {
      const http::Answer answer = visit(route, token);
      if (route.access == Access::kOpen) {
        EXPECT_EQ(answer.status, 200u) << route.pattern;
      } else {
        SCOPED_TRACE(route.pattern);
        const std::string message = refused(answer, 401, "APIGW.0301");
        if (!token.empty()) {
          EXPECT_EQ(message.find(token.substr(0, 20)), std::string::npos);
        }
      }
    }
  }
}

TEST_F(AccessTest, ReaderChangesNothing) {
  for (const Expected& route : kRoutes) {
    SCOPED_TRACE(route.pattern);
    const http::Answer answer = visit(route, reader_);
    if (route.access == Access::kChange || route.access == Access::kOwner) {
      refused(answer, 403, "KOOPHONE.API.1001");
    } else {
      EXPECT_NE(answer.status, 401u);
      EXPECT_NE(answer.status, 403u);
    }
  }
}

TEST_F(AccessTest, ServersOwnRoutesAreForItsSocketOnly) {
  for (const Expected& route : kRoutes) {
    if (route.access != Access::kOwner) continue;
    SCOPED_TRACE(route.pattern);
    refused(visit(route, admin_), 403, "KOOPHONE.API.1001");
    const http::Answer answer =
        ask_local(method_name(route.method), path(route.pattern), route.method == Method::kPost ? "{}" : "");
    EXPECT_NE(answer.status, 401u);
    EXPECT_NE(answer.status, 403u);
  }
}

TEST_F(AccessTest, OtherProjectsThingsAreNotThere) {
  for (const Expected& route : kRoutes) {
    if (std::string(route.pattern).find('{') == std::string::npos || route.access == Access::kOwner) continue;
    SCOPED_TRACE(route.pattern);
    refused(visit(route, other_), 404, "KOOPHONE.API.1000");
  }
  EXPECT_TRUE(body_of(ask("GET", "/api/v1/instances", other_)).at("instances").as_array().empty());
  EXPECT_TRUE(body_of(ask("GET", "/api/v1/tasks", other_)).at("tasks").as_array().empty());
  EXPECT_EQ(ask("GET", "/v1/instances/batch-query?page_no=1&page_size=10", other_).body.find("p1"),
            std::string::npos);
  const auto status =
      body_of(ask("POST", "/v1/instances/batch-query-status", other_, R"({"instance_ids":["p1"]})"));
  EXPECT_EQ(status.at("data").at("status_results").at(0).at("status").as_int64(), 0);
  // They are still there for who owns them.
  EXPECT_EQ(get("/v1/instances/tasks/" + task_).status, 200u);
  EXPECT_EQ(body_of(get("/api/v1/instances")).at("instances").as_array().size(), 1u);
}

// The answer to another project's task is that to a task that never was, byte for byte.
TEST_F(AccessTest, OtherProjectsTasksLookLikeNone) {
  std::string unknown = task_;
  unknown[20] = unknown[20] == '0' ? '1' : '0';
  for (const std::string before : {"/v1/instances/tasks/", "/api/v1/tasks/"}) {
    EXPECT_EQ(ask("GET", before + task_, other_).body, ask("GET", before + unknown, other_).body);
  }
  EXPECT_EQ(ask("GET", "/api/v1/jobs/" + Id::parse(task_)->job(0).hex(), other_).body,
            ask("GET", "/api/v1/jobs/" + Id::parse(unknown)->job(0).hex(), other_).body);
}

TEST_F(AccessTest, RevokedTokenIsRefusedWithTheNextRequest) {
  const auto made = body_of(
      ask_local("POST", "/api/v1/tokens", R"({"project":"default","role":"readonly","expires_s":60})"));
  const std::string secret(made.at("token").as_string());
  EXPECT_EQ(ask("GET", "/api/v1/instances", secret).status, 200u);
  EXPECT_EQ(ask_local("DELETE", "/api/v1/tokens/" + std::string(made.at("token_id").as_string())).status,
            200u);
  refused(ask("GET", "/api/v1/instances", secret), 401, "APIGW.0301");
}

TEST_F(AccessTest, SocketActsInTheProjectThatItNames) {
  EXPECT_EQ(body_of(ask_local("GET", "/api/v1/instances")).at("instances").as_array().size(), 1u);
  const auto in_other = ask_local("GET", "/api/v1/instances", {}, "X-Drover-Project: other\r\n");
  EXPECT_TRUE(body_of(in_other).at("instances").as_array().empty());
  const auto in_none = ask_local("GET", "/api/v1/instances", {}, "X-Drover-Project: none\r\n");
  EXPECT_NE(refused(in_none, 404, "KOOPHONE.API.1000").find("none"), std::string::npos);
  EXPECT_EQ(ask_local("GET", "/v1/instances/tasks/" + task_).status, 200u);
  // A token says who asks there too.
  const auto with_token = ask_local("GET", "/api/v1/instances", {}, "X-Auth-Token: wrong\r\n");
  refused(with_token, 401, "APIGW.0301");
}

// Over TCP the header that names a project is nothing.
TEST_F(AccessTest, ProjectHeaderOverTcpChangesNothing) {
  const auto answer = ask("GET", "/api/v1/instances", other_, {}, "X-Drover-Project: default\r\n");
  EXPECT_TRUE(body_of(answer).at("instances").as_array().empty());
  refused(ask("GET", "/api/v1/instances", {}, {}, "X-Drover-Project: default\r\n"), 401, "APIGW.0301");
}

}  // namespace
}  // namespace drover::api
