// /api/v1/tasks
#include <utility>

#include "api/json_writer.h"
#include "api/native/find.h"
#include "api/native/native.h"
#include "api/native/requests.h"
#include "api/native/task_list.h"
#include "api/native/task_text.h"
#include "api/reads.h"
#include "api/rules.h"
#include "api/waiting.h"

namespace drover::api::native {
namespace {

using identity::Principal;

constexpr std::int64_t kMostTasks = 1'000;  // in one answer
constexpr std::int64_t kUsualTasks = 20;

void create_task(Services& services, const http::Request& request, const http::Responder& respond,
                 const Principal& who) {
  auto parsed = parse_task_request(request.body(), who.koophone_commands_only);
  if (!parsed) return respond(refuse(parsed.error()));
  task::NewTask task{.project = who.project,
                     .command = std::move(parsed->command),
                     .targets = std::move(parsed->instance_ids),
                     .start_deadline_s = parsed->start_deadline_s,
                     .run_timeout_s = parsed->run_timeout_s};
  const auto accepted = [respond](Result<task::LiveTaskPtr> live) {
    if (!live) return respond(refuse(refusal_of(live.error())));
    const store::Task& made = (*live)->task();
    std::string body;
    JsonWriter json(body);
    json.open_object().id("task_id", made.id).number("jobs", static_cast<std::int64_t>(made.targets.size()));
    json.close_object();
    respond(json_answer(std::move(body)));
  };
  if (parsed->all) {
    services.engine.accept_for_all(std::move(task), accepted);
  } else {
    services.engine.accept(std::move(task), accepted);
  }
}

void show_tasks(Services& services, const http::Request& request, const http::Responder& respond,
                const Principal& who) {
  const auto limit = query_integer(request, "limit", kUsualTasks, 1, kMostTasks);
  if (!limit) return respond(refuse(limit.error()));
  const auto many = static_cast<std::uint32_t>(*limit);
  const auto before = request.query("before");
  if (!before) return list_tasks(services, who.project, 0, many, respond);
  find_task(services, who, *before, respond,
            [&services, project = who.project, many, respond](const task::LiveTaskPtr& task) {
              list_tasks(services, project, task->task().seq, many, respond);
            });
}

http::Response render_task(const task::LiveTaskPtr& task) {
  std::string body;
  JsonWriter json(body);
  json.open_object();
  append_task(json, *task);
  json.close_object();
  return json_answer(std::move(body));
}

void show_task(Services& services, const http::Request& request, const http::Responder& respond,
               const Principal& who) {
  const auto wait = query_wait(request);
  if (!wait) return respond(refuse(wait.error()));
  const auto show = [&services, respond, wait = *wait](const task::LiveTaskPtr& task) {
    if (wait == Seconds::zero() || task->finished()) return respond(render_task(task));
    services.waiting.answer(task, wait, respond, render_task);
  };
  const auto id = Id::parse(request.path_parameter("task_id"));
  if (!id) return respond(refuse(not_found("no such task in this project")));
  if (const auto task = services.engine.find_in_memory(who.project, *id)) return show(task);
  services.reads.enter(who.project, respond, [&services, &request, who, respond, show] {
    find_task(services, who, request.path_parameter("task_id"), respond, show);
  });
}

void cancel_task(Services& services, const http::Request& request, const http::Responder& respond,
                 const Principal& who) {
  const auto id = Id::parse(request.path_parameter("task_id"));
  if (!id) return respond(refuse(not_found("no such task in this project")));
  services.engine.cancel(who.project, *id, [respond](const Result<>& cancelled) {
    respond(cancelled ? json_answer("{}") : refuse(refusal_of(cancelled.error())));
  });
}

}  // namespace

void add_task_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/api/v1/tasks", Access::kChange, create_task, Needs::kRoom,
             {.max_body = kMaxBody});
  routes.add(Method::kGet, "/api/v1/tasks", Access::kRead, show_tasks, Needs::kTurn);
  routes.add(Method::kGet, "/api/v1/tasks/{task_id}", Access::kRead, show_task);
  routes.add(Method::kPost, "/api/v1/tasks/{task_id}/cancel", Access::kChange, cancel_task);
}

}  // namespace drover::api::native
