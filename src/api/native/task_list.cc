#include "api/native/task_list.h"

#include <utility>

#include "api/answer.h"
#include "api/json_writer.h"
#include "api/native/task_text.h"

namespace drover::api::native {
namespace {

std::string tasks_body(const task::Engine& engine, const std::vector<store::Store::TaskSummary>& tasks) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("tasks");
  for (const auto& summary : tasks) {
    json.open_object();
    if (const task::LiveTaskPtr live = engine.find_in_memory(summary.task.project, summary.task.id)) {
      append_task(json, *live);
    } else {
      append_task(json, summary);
    }
    json.close_object();
  }
  json.close_array().close_object();
  return body;
}

}  // namespace

void list_tasks(Services& services, std::int64_t project, std::int64_t before, std::uint32_t limit,
                const http::Responder& respond) {
  services.store.list_tasks(project, before, limit,
                            [&services, respond](Result<std::vector<store::Store::TaskSummary>> tasks) {
                              if (!tasks) return respond(refuse(refusal_of(tasks.error())));
                              services.loop.post([&services, respond, tasks = std::move(*tasks)] {
                                respond(json_answer(tasks_body(services.engine, tasks)));
                              });
                            });
}

}  // namespace drover::api::native
