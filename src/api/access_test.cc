// Every route, asked by everybody who might ask.
#include <gtest/gtest.h>

#include <algorithm>

#include "api/testing/api_fixture.h"
#include "api/testing/signer.h"

namespace drover::api {
namespace {

using http::Method;

// What each route asks of its callers, written down a second time. A route that is missing here fails.
struct Row {
  const char* route;
  const char* asks;          // as text_of() has it
  const char* to = nullptr;  // what each caller gets, where it is not what kAnswers has
};
constexpr Row kRoutes[] = {
    {"POST /v1/instances/async-command", "each koophone:cloudphoneResource:asyncInvokeInstance"},
    {"POST /v1/instances/sync-command", "each koophone:cloudphoneResource:syncInvokeInstance"},
    {"GET /v1/instances/tasks/{task_id}", "each koophone:cloudphoneResource:queryExecuteJob"},
    {"POST /v1/instances/batch-query-status", "each koophone:cloudphoneResource:queryBatchShowInstance"},
    {"GET /v1/instances/batch-query", "each koophone:cloudphoneResource:queryInstanceBatch"},
    {"GET /api/v1/instances", "each koophone:cloudphoneResource:queryInstanceBatch"},
    {"POST /api/v1/instances", "each drover:instance:put"},
    {"DELETE /api/v1/instances/{instance_id}", "each drover:instance:remove"},
    {"POST /api/v1/tasks", "each koophone:cloudphoneResource:asyncInvokeInstance"},
    {"GET /api/v1/tasks", "all koophone:cloudphoneResource:queryExecuteJob"},
    {"GET /api/v1/tasks/{task_id}", "each koophone:cloudphoneResource:queryExecuteJob"},
    {"POST /api/v1/tasks/{task_id}/cancel", "each drover:task:cancel"},
    {"GET /api/v1/tasks/{task_id}/jobs", "each koophone:cloudphoneResource:queryExecuteJob"},
    {"GET /api/v1/jobs/{job_id}", "each koophone:cloudphoneResource:queryExecuteJob"},
    {"GET /api/v1/jobs/{job_id}/stdout", "each koophone:cloudphoneResource:queryExecuteJob"},
    {"GET /api/v1/jobs/{job_id}/stderr", "each koophone:cloudphoneResource:queryExecuteJob"},
    {"POST /api/v1/projects", "administrator drover:project:create"},
    {"GET /api/v1/projects", "administrator drover:project:list"},
    {"POST /api/v1/tokens", "administrator drover:token:create"},
    {"GET /api/v1/tokens", "administrator drover:token:list"},
    {"DELETE /api/v1/tokens/{token_id}", "administrator drover:token:revoke"},
    {"POST /api/v1/users", "administrator drover:user:create"},
    {"GET /api/v1/users", "administrator drover:user:list"},
    {"GET /api/v1/users/{name}", "administrator drover:user:show"},
    {"PUT /api/v1/users/{name}", "administrator drover:user:change"},
    {"DELETE /api/v1/users/{name}", "administrator drover:user:remove"},
    {"POST /api/v1/users/{name}/grants", "administrator drover:grant:add"},
    {"DELETE /api/v1/users/{name}/grants", "administrator drover:grant:remove"},
    {"POST /api/v1/keys", "administrator drover:key:create"},
    {"GET /api/v1/keys", "administrator drover:key:list"},
    {"DELETE /api/v1/keys/{access_key}", "administrator drover:key:remove"},
    {"GET /api/v1/policies", "administrator drover:policy:list"},
    {"GET /api/v1/policies/{name}", "administrator drover:policy:show"},
    {"PUT /api/v1/policies/{name}", "administrator drover:policy:put"},
    {"DELETE /api/v1/policies/{name}", "administrator drover:policy:remove"},
    {"POST /api/v1/policy-test", "administrator drover:policy:test"},
    {"GET /api/v1/me", "known drover:me:show"},
    {"PUT /api/v1/me/password", "known drover:me:password"},
    {"GET /api/v1/audit", "all-or-administrator drover:audit:read"},
    {"GET /", "open "},
    {"GET /v3", "open "},
    {"GET /v3/", "open "},
    {"POST /v3/auth/tokens", "open drover:session:create"},
    {"GET /v3/auth/tokens", "known drover:session:read"},
    {"DELETE /v3/auth/tokens", "known drover:session:end"},
    {"GET /v3/auth/catalog", "known drover:project:read"},
    {"GET /v3/auth/domains", "known drover:project:read"},
    {"GET /v3/auth/projects", "known drover:project:read"},
    {"GET /v3/projects", "known drover:project:read"},
    {"GET /v3/projects/{project_id}", "known drover:project:read"},
    {"GET /v3/users/{user_id}/projects", "known drover:project:read", "1111113333......"},  // his own
    {"GET /healthz", "open "},
    {"GET /readyz", "open "},
    {"GET /metrics", "open "},
};

// Who asks.
enum Who {
  kNobody,
  kWrong,         // a token that nobody has
  kExpired,       // a token whose time is over
  kRevoked,       // one that was revoked
  kEndedSession,  // whose user has another password since
  kOtherKey,      // a signature by a secret that is not the access key's
  kReader,        // a token with the role readonly
  kAdmin,         // a token with the role admin
  kOther,         // the same of another project
  kByInstance,    // a token whose role is for instance p1 only
  kSession,       // of an administrator of the project
  kUnscoped,      // a session of the same user for no project
  kSigned,        // a request signed with that user's access key
  kNode,          // a session of an administrator of all projects, for this one
  kNodeUnscoped,  // the same for no project
  kSocket,        // the server's own user
  kWhos,
};

// What each of them gets, in that order: `.` is let in, 1 is 401, 3 is 403, and ? is let in where the request
// names nothing, or 404 where it names what is another project's.
struct Answers {
  const char* asks;
  const char* to;
};
constexpr Answers kAnswers[] = {
    {"open", "................"},          {"known", "111111.........."},
    {"query each", "111111..?..3..3."},    {"query all", "111111..?3.3..3."},
    {"change each", "1111113.?..3..3."},   {"all-or-administrator", "1111113..3.3...."},
    {"administrator", "1111113333333..."},
};

std::string method_name(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kDelete:
      return "DELETE";
  }
  return {};
}

std::string text_of(const Access& access) {
  const std::string name(access.name);
  switch (access.who) {
    case Access::Who::kOpen:
      return "open " + name;
    case Access::Who::kSignedIn:
      return "known " + name;
    case Access::Who::kProject:
      return "all " + name;
    case Access::Who::kProjectByInstance:
      return "each " + name;
    case Access::Who::kAdministrator:
      return "administrator " + name;
    case Access::Who::kProjectOrAdministrator:
      return "all-or-administrator " + name;
  }
  return {};
}

class AccessTest : public ApiTest {
 protected:
  AccessTest() : ApiTest({.sync_wait = Millis(1)}) {
    add_unreachable("p1");
    add_unreachable("p2");
    for (const char* id : {"p1", "p2"}) tasks_[id] = accept(std::string("[\"") + id + "\"]");
    put_policy("p1-only", R"({"Statement":[{"Effect":"Allow","Action":["*"],"Resource":["instance:p1"]}]})");

    make_user("alice", {{"default", std::string(identity::kAdministrator)}});
    make_user("root", {{"", std::string(identity::kAdministrator)}});
    make_user("leaver", {{"default", std::string(identity::kAdministrator)}});
    key_ = make_key("alice");

    tokens_[kWrong] = "x" + admin_;
    clock_.turned_ms = -3'600'000;
    tokens_[kExpired] = make_token("default", identity::kAdministrator, Seconds(60));
    clock_.turned_ms = 0;
    const auto revoked =
        body_of(ask_local("POST", "/api/v1/tokens", R"({"project":"default","role":"admin"})"));
    tokens_[kRevoked] = revoked.at("token").as_string();
    body_of(ask_local("DELETE", "/api/v1/tokens/" + std::string(revoked.at("token_id").as_string())));
    tokens_[kEndedSession] = log_in("leaver", "default");
    body_of(ask_local("PUT", "/api/v1/users/leaver", R"({"enabled":false})"));
    tokens_[kReader] = reader_;
    tokens_[kAdmin] = admin_;
    tokens_[kOther] = other_;
    tokens_[kByInstance] = make_token("default", "p1-only");
    tokens_[kSession] = log_in("alice", "default");
    tokens_[kUnscoped] = log_in("alice", "");
    tokens_[kNode] = log_in("root", "default");
    tokens_[kNodeUnscoped] = log_in("root", "");
  }

  // The route's path, naming things that are there, or were until the first who may has removed them.
  std::string path(std::string pattern, const std::string& instance) const {
    const std::string& task = tasks_.at(instance);
    const std::pair<std::string, std::string> values[] = {{"{task_id}", task},
                                                          {"{job_id}", Id::parse(task)->job(0).hex()},
                                                          {"{instance_id}", instance},
                                                          {"{token_id}", "tok_0123456789abcdef"},
                                                          {"{access_key}", "NOBODYS"},
                                                          {"{name}", "victim"},
                                                          {"{project_id}", identity_->project("default")->id},
                                                          {"{user_id}", identity_->user("alice")->id}};
    for (const auto& [name, value] : values) {
      if (const auto at = pattern.find(name); at != std::string::npos)
        pattern.replace(at, name.size(), value);
    }
    if (pattern == "/v1/instances/batch-query") pattern += "?page_no=1&page_size=10";
    return pattern;
  }

  static std::string body(const std::string& route, const std::string& instance) {
    if (route.starts_with("GET") || route.starts_with("DELETE")) return {};
    const std::string ids = R"("instance_ids":[")" + instance + "\"]";
    if (route.ends_with("-command") || route == "POST /api/v1/tasks")
      return R"({"command":"id",)" + ids + "}";
    if (route.ends_with("batch-query-status")) return "{" + ids + "}";
    if (route == "POST /api/v1/instances")
      return R"({"instances":[{"instance_id":")" + instance + R"(","address":"adb://127.0.0.1:1"}]})";
    return "{}";
  }

  http::Answer visit(const std::string& route, Who who, const std::string& instance = "p1") {
    const std::string method = route.substr(0, route.find(' '));
    const std::string target = path(route.substr(method.size() + 1), instance);
    const std::string sent = body(route, who == kOther ? "theirs" : instance);
    if (who == kSocket) return ask_local(method, target, sent);
    std::string headers;
    if (who == kSigned || who == kOtherKey) {
      const std::string secret = who == kSigned ? key_.secret : key_.secret + "x";
      headers = signature_headers(method, target, sent, key_.view.id, secret, clock_.unix_ms());
    }
    return ask(method, target, tokens_[who], sent, headers);
  }

  // As refused() of the fixture; under /v3 the body has Keystone's form as well.
  static std::string refused_at(const std::string& route, const http::Answer& answer, unsigned status,
                                const std::string& code) {
    if (route.find(" /v3") == std::string::npos) return refused(answer, status, code);
    EXPECT_EQ(answer.status, status) << answer.body;
    const boost::json::value body = boost::json::parse(answer.body);
    EXPECT_EQ(body.at("error").at("code").as_int64(), status);
    EXPECT_EQ(body.at("error_code").as_string(), code);
    return std::string(body.at("error_msg").as_string());
  }

  std::map<std::string, std::string> tasks_;  // by the instance that they are for
  identity::NewKey key_;
  std::string tokens_[kWhos];
};

// Of a row in kRoutes, the one in kAnswers.
const char* answers_for(const Row& row) {
  if (row.to != nullptr) return row.to;
  const std::string asks(row.asks);
  std::string kind = asks.substr(0, asks.find(' '));
  if (kind == "each" || kind == "all") {
    const auto action = identity::find_action(asks.substr(kind.size() + 1));
    kind = (identity::is_query(action.value()) ? "query " : "change ") + kind;
  }
  const auto* const found =
      std::ranges::find_if(kAnswers, [&](const Answers& one) { return one.asks == kind; });
  return found == std::end(kAnswers) ? "" : found->to;
}

TEST_F(AccessTest, TableHasEveryRoute) {
  std::vector<std::string> expected;
  for (const Row& row : kRoutes) expected.push_back(std::string(row.route) + ": " + row.asks);
  std::vector<std::string> added;
  for (const Routes::Added& route : api_->routes())
    added.push_back(method_name(route.method) + " " + route.pattern + ": " + text_of(route.access));
  std::ranges::sort(expected);
  std::ranges::sort(added);
  EXPECT_EQ(added, expected);
}

TEST_F(AccessTest, EverybodyAtEveryRoute) {
  for (const Row& row : kRoutes) {
    const std::string expected = answers_for(row);
    ASSERT_EQ(expected.size(), static_cast<std::size_t>(kWhos)) << row.route;
    for (int i = 0; i < kWhos; ++i) {
      const Who who = static_cast<Who>(i);
      const http::Answer answer = visit(row.route, who);
      SCOPED_TRACE(std::string(row.route) + ", caller " + std::to_string(i) + ": " +
                   std::to_string(answer.status) + " " + answer.body.substr(0, 200));
      const bool named = std::string(row.route).find('{') != std::string::npos;
      switch (expected[static_cast<std::size_t>(i)]) {
        case '1':
          EXPECT_EQ(refused_at(row.route, answer, 401, "APIGW.0301").find(tokens_[who].substr(0, 20)),
                    tokens_[who].empty() ? 0 : std::string::npos);
          break;
        case '3':
          refused_at(row.route, answer, 403, "KOOPHONE.API.1001");
          break;
        case '?':
          if (named) {
            refused(answer, 404, "KOOPHONE.API.1000");
            break;
          }
          [[fallthrough]];
        default:
          EXPECT_TRUE(answer.status == 200 || answer.status == 300 || answer.status == 400 ||
                      answer.status == 404);
      }
    }
  }
}

// The role is for p1 only: nothing about p2 is to be had, or done.
TEST_F(AccessTest, RoleForOneInstanceIsForNoOther) {
  for (const Row& row : kRoutes) {
    if (!std::string(row.asks).starts_with("each ")) continue;
    SCOPED_TRACE(row.route);
    const http::Answer answer = visit(row.route, kByInstance, "p2");
    const std::string route(row.route);
    if (route == "GET /api/v1/instances" || route == "GET /v1/instances/batch-query") {
      EXPECT_EQ(answer.status, 200u);
      EXPECT_EQ(answer.body.find("p2"), std::string::npos) << answer.body;
      continue;
    }
    const std::string message = refused(answer, 403, "KOOPHONE.API.1001");
    EXPECT_NE(message.find(std::string(row.asks).substr(5) + " on p2"), std::string::npos) << message;
  }
  EXPECT_EQ(body_of(get("/api/v1/instances")).at("instances").as_array().size(), 2u) << "nothing was removed";
}

TEST_F(AccessTest, OtherProjectsThingsAreNotThere) {
  EXPECT_TRUE(body_of(ask("GET", "/api/v1/instances", other_)).at("instances").as_array().empty());
  EXPECT_TRUE(body_of(ask("GET", "/api/v1/tasks", other_)).at("tasks").as_array().empty());
  EXPECT_EQ(ask("GET", "/v1/instances/batch-query?page_no=1&page_size=10", other_).body.find("p1"),
            std::string::npos);
  const auto status =
      body_of(ask("POST", "/v1/instances/batch-query-status", other_, R"({"instance_ids":["p1"]})"));
  EXPECT_EQ(status.at("data").at("status_results").at(0).at("status").as_int64(), 0);
  // They are still there for who owns them.
  EXPECT_EQ(get("/v1/instances/tasks/" + tasks_["p1"]).status, 200u);
  EXPECT_EQ(body_of(get("/api/v1/instances")).at("instances").as_array().size(), 2u);
}

// The answer to another project's task is that to a task that never was, byte for byte.
TEST_F(AccessTest, OtherProjectsTasksLookLikeNone) {
  const std::string task = tasks_["p1"];
  std::string unknown = task;
  unknown[20] = unknown[20] == '0' ? '1' : '0';
  for (const std::string before : {"/v1/instances/tasks/", "/api/v1/tasks/"}) {
    EXPECT_EQ(ask("GET", before + task, other_).body, ask("GET", before + unknown, other_).body);
  }
  EXPECT_EQ(ask("GET", "/api/v1/jobs/" + Id::parse(task)->job(0).hex(), other_).body,
            ask("GET", "/api/v1/jobs/" + Id::parse(unknown)->job(0).hex(), other_).body);
}

}  // namespace
}  // namespace drover::api
