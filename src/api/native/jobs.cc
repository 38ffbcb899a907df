// /api/v1/tasks/{task_id}/jobs and /api/v1/jobs
#include <utility>

#include "api/by_instance.h"
#include "api/find.h"
#include "api/job_text.h"
#include "api/json_writer.h"
#include "api/native/native.h"
#include "api/native/task_text.h"
#include "api/rules.h"

namespace drover::api::native {
namespace {

using store::JobOutcome;
using store::JobState;

constexpr std::int64_t kMostJobs = 10'000;  // in one answer
constexpr std::int64_t kUsualJobs = 1'000;
constexpr std::size_t kJobsAtOnce = 256;  // the engine waits while they are read

struct JobsQuery {
  std::size_t offset = 0;
  std::size_t limit = kUsualJobs;
  std::optional<JobState> state;
};

Checked<std::optional<JobState>> query_state(const http::Request& request) {
  const auto name = request.query("state");
  if (!name) return std::nullopt;
  for (int i = 0; i <= static_cast<int>(JobState::kCancelled); ++i) {
    const auto state = static_cast<JobState>(i);
    if (*name == state_name(state)) return state;
  }
  return bad_parameter("state must be queued, running, succeeded, failed, lost or cancelled");
}

Checked<JobsQuery> parse_jobs_query(const http::Request& request) {
  const auto offset = query_integer(request, "offset", 0, 0, store::JobKey::kMaxJobs);
  if (!offset) return tl::unexpected(offset.error());
  const auto limit = query_integer(request, "limit", kUsualJobs, 1, kMostJobs);
  if (!limit) return tl::unexpected(limit.error());
  const auto state = query_state(request);
  if (!state) return tl::unexpected(state.error());
  return JobsQuery{static_cast<std::size_t>(*offset), static_cast<std::size_t>(*limit), *state};
}

std::string jobs_body(const task::LiveTask& task, const JobsQuery& query) {
  const std::size_t all = task.task().targets.size();
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("jobs");
  std::size_t written = 0;
  std::size_t next = query.offset;
  const auto append = [&](std::size_t index, const task::JobView& job) {
    if (written == query.limit) return;
    next = index + 1;
    if (query.state && job.state != *query.state) return;
    json.open_object();
    append_job(json, task.task(), static_cast<std::uint32_t>(index), job.state, job.outcome);
    json.close_object();
    ++written;
  };
  while (next < all && written < query.limit) task.visit(append, next, kJobsAtOnce);
  json.close_array();
  if (next < all) {
    json.number("next_offset", static_cast<std::int64_t>(next));
  } else {
    json.null("next_offset");
  }
  json.close_object();
  return body;
}

void list_jobs(Services& services, const http::Request& request, const http::Responder& respond,
               const Caller& caller) {
  const auto query = parse_jobs_query(request);
  if (!query) return respond(refuse(query.error()));
  const auto id = Id::parse(request.path_parameter("task_id"));
  if (!id) return respond(refuse(no_such_task()));
  find_task(services, caller, identity::Action::kReadTask, *id, respond,
            [&services, respond, query = *query](const task::LiveTaskPtr& task) {
              services.loop.post([respond, query, task] { respond(json_answer(jobs_body(*task, query))); });
            });
}

// A job, and its outcome with the whole kept output; none while it has not ended.
struct FoundJob {
  task::LiveTaskPtr task;
  std::uint32_t index = 0;
  std::optional<JobOutcome> outcome;
};

Refusal no_such_job() { return not_found("no such job in this project"); }

void read_job(Services& services, const Id& id, task::LiveTaskPtr task, std::uint32_t index,
              const http::Responder& respond, std::function<void(const FoundJob&)> found) {
  services.store.read_job(id, [&services, task = std::move(task), index, respond,
                               found = std::move(found)](Result<std::optional<JobOutcome>> outcome) {
    if (!outcome) return respond(refuse(refusal_of(outcome.error())));
    services.loop.post([found, job = FoundJob{task, index, std::move(*outcome)}] { found(job); });
  });
}

// Answers 404 if the job is not the project's, 403 if its instance is not for the caller; else calls `found`
// on the API's loop.
void find_job(Services& services, const http::Request& request, const http::Responder& respond,
              const Caller& caller, std::function<void(const FoundJob&)> found) {
  const auto id = Id::parse(request.path_parameter("job_id"));
  if (!id || id->part() == 0) return respond(refuse(no_such_job()));
  const auto with_task = [&services, caller, id = *id, respond,
                          found = std::move(found)](Result<task::LiveTaskPtr> task) {
    if (!task) {
      const Refusal why = refusal_of(task.error());
      return respond(refuse(why.status == 404 ? no_such_job() : why));
    }
    const std::uint32_t index = id.part() - 1;
    if (index >= (*task)->task().targets.size()) return respond(refuse(no_such_job()));
    const auto read = [&services, id, task = *task, index, respond, found](const auto&) {
      read_job(services, id, task, index, respond, found);
    };
    if_allowed(services, caller, identity::Action::kReadTask, {(*task)->task().targets[index]}, respond,
               read);
  };
  services.engine.find(caller.project(), id->task(), with_task);
}

void append_stream(JsonWriter& json, std::string_view name, const store::StreamOutput& stream) {
  const std::string prefix(name);
  json.text(name, stream.bytes);
  json.number(prefix + "_omitted_bytes", static_cast<std::int64_t>(stream.omitted));
  json.number(prefix + "_omitted_at", static_cast<std::int64_t>(stream.omitted_at));
}

std::string job_body(const FoundJob& job) {
  JobState state = JobState::kQueued;
  job.task->visit([&](std::size_t, const task::JobView& view) { state = view.state; }, job.index, 1);
  const JobOutcome* outcome = job.outcome ? &*job.outcome : nullptr;
  // The store knows of an end a moment before the task does, never after.
  if (outcome != nullptr) state = outcome->state;

  std::string body;
  JsonWriter json(body);
  json.open_object();
  append_job(json, job.task->task(), job.index, state, outcome);
  const store::StreamOutput nothing;
  append_stream(json, "stdout", outcome != nullptr ? outcome->out : nothing);
  append_stream(json, "stderr", outcome != nullptr ? outcome->err : nothing);
  json.close_object();
  return body;
}

void show_job(Services& services, const http::Request& request, const http::Responder& respond,
              const Caller& caller) {
  find_job(services, request, respond, caller,
           [respond](const FoundJob& job) { respond(json_answer(job_body(job))); });
}

void send_stream(const http::Responder& respond, const FoundJob& job,
                 store::StreamOutput JobOutcome::*stream) {
  if (!job.outcome)
    return respond(refuse(not_found("the job has not ended; its output is kept when it has")));
  const store::StreamOutput& output = (*job.outcome).*stream;
  http::Response response;
  response.content_type = "application/octet-stream";
  response.body = output.bytes;
  if (output.omitted > 0) {
    response.headers.emplace_back("X-Drover-Omitted-Bytes", std::to_string(output.omitted));
    response.headers.emplace_back("X-Drover-Omitted-At", std::to_string(output.omitted_at));
  }
  respond(std::move(response));
}

void show_stdout(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller& caller) {
  find_job(services, request, respond, caller,
           [respond](const FoundJob& job) { send_stream(respond, job, &JobOutcome::out); });
}

void show_stderr(Services& services, const http::Request& request, const http::Responder& respond,
                 const Caller& caller) {
  find_job(services, request, respond, caller,
           [respond](const FoundJob& job) { send_stream(respond, job, &JobOutcome::err); });
}

}  // namespace

void add_job_routes(Routes& routes) {
  using http::Method;
  using identity::Action;
  routes.add(Method::kGet, "/api/v1/tasks/{task_id}/jobs", may_by_instance(Action::kReadTask), list_jobs,
             Needs::kTurn);
  routes.add(Method::kGet, "/api/v1/jobs/{job_id}", may_by_instance(Action::kReadTask), show_job,
             Needs::kTurn);
  routes.add(Method::kGet, "/api/v1/jobs/{job_id}/stdout", may_by_instance(Action::kReadTask), show_stdout,
             Needs::kTurn);
  routes.add(Method::kGet, "/api/v1/jobs/{job_id}/stderr", may_by_instance(Action::kReadTask), show_stderr,
             Needs::kTurn);
}

}  // namespace drover::api::native
