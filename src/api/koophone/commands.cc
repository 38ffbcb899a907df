// async-command, sync-command and tasks/{task_id}.
#include <utility>

#include "api/koophone/command_request.h"
#include "api/koophone/koophone.h"
#include "api/koophone/task_answer.h"
#include "api/reads.h"
#include "api/rules.h"
#include "api/waiting.h"

namespace drover::api::koophone {
namespace {

using identity::Principal;

task::NewTask new_task(CommandRequest request, std::int64_t project) {
  return {.project = project,
          .command = std::move(request.command),
          .targets = std::move(request.instance_ids),
          .start_deadline_s = request.start_deadline_s,
          .run_timeout_s = request.run_timeout_s};
}

http::Response render_task(const task::LiveTaskPtr& task) { return json_answer(task_answer(*task)); }

// The answer itself has no place for the task's id, by which those jobs are found that have not ended yet.
http::Response render_sync(const task::LiveTaskPtr& task) {
  http::Response response = json_answer(sync_answer(*task));
  response.headers.emplace_back("X-Drover-Task-Id", task->task().id.hex());
  return response;
}

void async_command(Services& services, const http::Request& request, const http::Responder& respond,
                   const Principal& who) {
  auto parsed = parse_command_request(request.body(), who.koophone_commands_only);
  if (!parsed) return respond(refuse(parsed.error()));
  services.engine.accept(new_task(std::move(*parsed), who.project),
                         [respond](Result<task::LiveTaskPtr> accepted) {
                           if (!accepted) return respond(refuse(refusal_of(accepted.error())));
                           respond(json_answer(accepted_answer((*accepted)->task())));
                         });
}

void sync_command(Services& services, const http::Request& request, const http::Responder& respond,
                  const Principal& who) {
  auto parsed = parse_command_request(request.body(), who.koophone_commands_only);
  if (!parsed) return respond(refuse(parsed.error()));
  services.engine.accept(
      new_task(std::move(*parsed), who.project), [&services, respond](Result<task::LiveTaskPtr> accepted) {
        if (!accepted) return respond(refuse(refusal_of(accepted.error())));
        services.waiting.answer(std::move(*accepted), services.sync_wait, respond, render_sync);
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

// A task that is not in memory, or whose answer is long.
void show_in_turn(Services& services, std::int64_t project, const Id& id, Seconds wait,
                  const http::Responder& respond) {
  services.reads.enter(project, respond, [&services, project, id, wait, respond] {
    services.engine.find(project, id, [&services, respond, wait](Result<task::LiveTaskPtr> found) {
      if (!found) return respond(refuse(refusal_of(found.error())));
      show_found(services, std::move(*found), wait, respond);
    });
  });
}

void show_task(Services& services, const http::Request& request, const http::Responder& respond,
               const Principal& who) {
  const auto wait = query_wait(request);
  if (!wait) return respond(refuse(wait.error()));
  const auto id = Id::parse(request.path_parameter("task_id"));
  if (!id) return respond(refuse(not_found("no such task in this project")));

  if (task::LiveTaskPtr task = services.engine.find_in_memory(who.project, *id)) {
    const bool now = task->finished() || *wait == Seconds::zero();
    if (now && task->task().targets.size() <= kMostInstances) return respond(render_task(task));
    if (!now) return show_found(services, std::move(task), *wait, respond);
  }
  show_in_turn(services, who.project, *id, *wait, respond);
}

}  // namespace

void add_command_routes(Routes& routes) {
  using http::Method;
  routes.add(Method::kPost, "/v1/instances/async-command", Access::kChange, async_command, Needs::kRoom);
  routes.add(Method::kPost, "/v1/instances/sync-command", Access::kChange, sync_command, Needs::kRoom);
  routes.add(Method::kGet, "/v1/instances/tasks/{task_id}", Access::kRead, show_task);
}

}  // namespace drover::api::koophone
