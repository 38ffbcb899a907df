// async-command, sync-command and tasks/{task_id}.
#include <utility>

#include "api/audit.h"
#include "api/by_instance.h"
#include "api/find.h"
#include "api/koophone/command_request.h"
#include "api/koophone/koophone.h"
#include "api/koophone/task_answer.h"
#include "api/reads.h"
#include "api/rules.h"
#include "api/waiting.h"

namespace drover::api::koophone {
namespace {

using identity::Action;

// Calls `answer` with the task when it is durable, and with it the request's entry in the audit log. What is
// refused is answered here.
template <typename Answer>
void accept(Services& services, const http::Request& request, const http::Responder& respond,
            const Caller& caller, Action action, Answer answer) {
  auto parsed = parse_command_request(request.body(), caller.who->koophone_commands_only);
  if (!parsed) return respond(refuse(parsed.error()));
  task::NewTask task{.project = caller.project(),
                     .command = std::move(parsed->command),
                     .targets = {},
                     .start_deadline_s = parsed->start_deadline_s,
                     .run_timeout_s = parsed->run_timeout_s,
                     .audit = services.audit.entry(request, caller)};
  const auto accepted = [respond, note = caller.note, answer](Result<task::LiveTaskPtr> live) {
    if (!live) return respond(refuse(refusal_of(live.error())));
    note->stored = true;
    answer(*std::move(live));
  };
  if_allowed(services, caller, action, std::move(parsed->instance_ids), respond,
             [&services, task = std::move(task), accepted](std::vector<std::string> ids) mutable {
               task.targets = std::move(ids);
               services.engine.accept(std::move(task), accepted);
             });
}

http::Response render_task(const task::LiveTaskPtr& task) { return json_answer(task_answer(*task)); }

// The answer itself has no place for the task's id, by which those jobs are found that have not ended yet.
http::Response render_sync(const task::LiveTaskPtr& task) {
  http::Response response = json_answer(sync_answer(*task));
  response.headers.emplace_back("X-Drover-Task-Id", task->task().id.hex());
  return response;
}

void async_command(Services& services, const http::Request& request, const http::Responder& respond,
                   const Caller& caller) {
  accept(services, request, respond, caller, Action::kAsyncCommand,
         [respond](const task::LiveTaskPtr& task) { respond(json_answer(accepted_answer(task->task()))); });
}

void sync_command(Services& services, const http::Request& request, const http::Responder& respond,
                  const Caller& caller) {
  accept(services, request, respond, caller, Action::kSyncCommand,
         [&services, respond](task::LiveTaskPtr task) {
           services.waiting.answer(std::move(task), services.sync_wait, respond, render_sync);
         });
}

void show_found(Services& services, task::LiveTaskPtr task, Seconds wait, const http::Responder& respond) {
  const std::size_t jobs = task->task().targets.size();
  if (jobs > kMostJobsInAnswer) {
    return respond(
        refuse({400, code::kBadParameter,
                "task_id must be of a task of at most " + grouped(kMostJobsInAnswer) + " jobs, this has " +
                    grouped(static_cast<std::int64_t>(jobs)) + "; read it through /api/v1/tasks"}));
  }
  if (wait > Seconds::zero() && !task->finished()) {
    return services.waiting.answer(std::move(task), wait, respond, render_task);
  }
  services.loop.post([task = std::move(task), respond] { respond(render_task(task)); });
}

// A task that is not in memory, whose answer is long, or whose instances have to be looked at.
void show_in_turn(Services& services, const Caller& caller, const Id& id, Seconds wait,
                  const http::Responder& respond) {
  services.reads.enter(caller.project(), respond, [&services, caller, id, wait, respond] {
    find_task(services, caller, Action::kReadTask, id, respond,
              [&services, respond, wait](task::LiveTaskPtr task) {
                show_found(services, std::move(task), wait, respond);
              });
  });
}

void show_task(Services& services, const http::Request& request, const http::Responder& respond,
               const Caller& caller) {
  const auto wait = query_wait(request);
  if (!wait) return respond(refuse(wait.error()));
  const auto id = Id::parse(request.path_parameter("task_id"));
  if (!id) return respond(refuse(no_such_task()));

  const bool depends = caller.depends(Action::kReadTask);
  if (task::LiveTaskPtr task = depends ? nullptr : services.engine.find_in_memory(caller.project(), *id)) {
    const bool now = task->finished() || *wait == Seconds::zero();
    if (now && task->task().targets.size() <= kMostInstances) return respond(render_task(task));
    if (!now) return show_found(services, std::move(task), *wait, respond);
  }
  show_in_turn(services, caller, *id, *wait, respond);
}

}  // namespace

void add_command_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/v1/instances/async-command", may_by_instance(Action::kAsyncCommand),
             async_command, Needs::kRoom);
  routes.add(Method::kPost, "/v1/instances/sync-command", may_by_instance(Action::kSyncCommand), sync_command,
             Needs::kRoom);
  routes.add(Method::kGet, "/v1/instances/tasks/{task_id}", may_by_instance(Action::kReadTask), show_task);
}

}  // namespace drover::api::koophone
