// /api/v1/tasks
#include <utility>

#include "api/audit.h"
#include "api/by_instance.h"
#include "api/find.h"
#include "api/json_writer.h"
#include "api/native/native.h"
#include "api/native/requests.h"
#include "api/native/task_list.h"
#include "api/native/task_text.h"
#include "api/reads.h"
#include "api/rules.h"
#include "api/waiting.h"

namespace drover::api::native {
namespace {

using identity::Action;

constexpr std::int64_t kMostTasks = 1'000;  // in one answer
constexpr std::int64_t kUsualTasks = 20;

using Accepted = task::Engine::Done<task::LiveTaskPtr>;

// For every instance that the caller may command.
void accept_for_all(Services& services, const Caller& caller, task::NewTask task, Accepted accepted) {
  if (!caller.depends(Action::kAsyncCommand))
    return services.engine.accept_for_all(std::move(task), std::move(accepted));
  services.fleet.list(
      caller.project(), [&services, caller, task = std::move(task),
                         accepted = std::move(accepted)](Result<std::vector<fleet::PhoneView>> listed) {
        if (!listed) return accepted(Failure(std::move(listed.error())));
        services.loop.post([&services, caller, task, accepted, phones = *std::move(listed)]() mutable {
          leave_out_denied(caller, Action::kAsyncCommand, phones);
          for (fleet::PhoneView& phone : phones) task.targets.push_back(std::move(phone.id));
          services.engine.accept(std::move(task), accepted);
        });
      });
}

void create_task(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller& caller) {
  auto parsed = parse_task_request(request.body(), caller.who->koophone_commands_only);
  if (!parsed) return respond(refuse(parsed.error()));
  task::NewTask task{.project = caller.project(),
                     .command = std::move(parsed->command),
                     .targets = {},
                     .start_deadline_s = parsed->start_deadline_s,
                     .run_timeout_s = parsed->run_timeout_s,
                     .audit = services.audit.entry(request, caller)};
  const auto accepted = [respond, note = caller.note](Result<task::LiveTaskPtr> live) {
    if (!live) return respond(refuse(refusal_of(live.error())));
    note->stored = true;
    const store::Task& made = (*live)->task();
    std::string body;
    JsonWriter json(body);
    json.open_object().id("task_id", made.id).number("jobs", static_cast<std::int64_t>(made.targets.size()));
    json.close_object();
    respond(json_answer(std::move(body)));
  };
  if (parsed->all) return accept_for_all(services, caller, std::move(task), accepted);
  if_allowed(services, caller, Action::kAsyncCommand, std::move(parsed->instance_ids), respond,
             [&services, task = std::move(task), accepted](std::vector<std::string> ids) mutable {
               task.targets = std::move(ids);
               services.engine.accept(std::move(task), accepted);
             });
}

void show_tasks(Services& services, const http::Request& request, const http::Responder& respond,
                const Caller& caller) {
  const auto limit = query_integer(request, "limit", kUsualTasks, 1, kMostTasks);
  if (!limit) return respond(refuse(limit.error()));
  const auto many = static_cast<std::uint32_t>(*limit);
  const auto before = request.query("before");
  if (!before) return list_tasks(services, caller.project(), 0, many, respond);
  const auto id = Id::parse(*before);
  if (!id) return respond(refuse(no_such_task()));
  find_task(services, caller, Action::kReadTask, *id, respond,
            [&services, project = caller.project(), many, respond](const task::LiveTaskPtr& task) {
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
               const Caller& caller) {
  const auto wait = query_wait(request);
  if (!wait) return respond(refuse(wait.error()));
  const auto show = [&services, respond, wait = *wait](const task::LiveTaskPtr& task) {
    if (wait == Seconds::zero() || task->finished()) return respond(render_task(task));
    services.waiting.answer(task, wait, respond, render_task);
  };
  const auto id = Id::parse(request.path_parameter("task_id"));
  if (!id) return respond(refuse(no_such_task()));
  if (!caller.depends(Action::kReadTask)) {
    if (const auto task = services.engine.find_in_memory(caller.project(), *id)) return show(task);
  }
  services.reads.enter(caller.project(), respond, [&services, caller, id = *id, respond, show] {
    find_task(services, caller, Action::kReadTask, id, respond, show);
  });
}

void cancel_task(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller& caller) {
  const auto id = Id::parse(request.path_parameter("task_id"));
  if (!id) return respond(refuse(no_such_task()));
  caller.name_subject(request.path_parameter("task_id"));
  const auto cancel = [&services, project = caller.project(), id = *id, respond] {
    services.engine.cancel(project, id, [respond](const Result<>& cancelled) {
      respond(cancelled ? json_answer("{}") : refuse(refusal_of(cancelled.error())));
    });
  };
  if (!caller.depends(Action::kCancelTask)) return cancel();
  find_task(services, caller, Action::kCancelTask, *id, respond,
            [cancel](const task::LiveTaskPtr&) { cancel(); });
}

}  // namespace

void add_task_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/api/v1/tasks", may_by_instance(Action::kAsyncCommand), create_task,
             Needs::kRoom, {.max_body = kMaxBody});
  routes.add(Method::kGet, "/api/v1/tasks", may(Action::kReadTask), show_tasks, Needs::kTurn);
  routes.add(Method::kGet, "/api/v1/tasks/{task_id}", may_by_instance(Action::kReadTask), show_task);
  routes.add(Method::kPost, "/api/v1/tasks/{task_id}/cancel", may_by_instance(Action::kCancelTask),
             cancel_task);
}

}  // namespace drover::api::native
