#include "api/koophone/task_answer.h"

#include <utility>

#include "api/job_text.h"
#include "api/json_writer.h"
#include "api/koophone/envelope.h"

namespace drover::api::koophone {
namespace {

using store::JobState;

constexpr std::size_t kLongestExecuteMsg = 1024;  // bytes of UTF-8, before JSON's escapes
// The engine waits while jobs are read: so many at a time.
constexpr std::size_t kJobsAtOnce = 256;
// Larger answers are made anew when asked for: the task's place in memory does not reckon with them.
constexpr std::size_t kMostJobsKept = 100;
constexpr std::size_t kUsualJobBytes = 160;

int status_of(JobState state) {
  if (!store::has_ended(state)) return 1;
  return state == JobState::kSucceeded ? 2 : -1;
}

// `status` to `execute_msg`.
void append_result(JsonWriter& json, const task::JobView& job) {
  json.number("status", status_of(job.state));
  if (job.outcome == nullptr) {
    json.text("error_code", "").text("error_msg", "").null("execute_msg");
    return;
  }
  json.text("error_code", error_code(job.outcome->error)).text("error_msg", error_message(*job.outcome));
  if (has_run(*job.outcome)) {
    json.text("execute_msg", job.outcome->shown, kLongestExecuteMsg);
  } else {
    json.null("execute_msg");
  }
}

// An object for each job: what `append_name` writes of the job with that index, then its result.
template <typename AppendName>
void append_jobs(JsonWriter& json, const task::LiveTask& task, const AppendName& append_name) {
  for (std::size_t first = 0; first < task.task().targets.size(); first += kJobsAtOnce) {
    task.visit(
        [&](std::size_t index, const task::JobView& job) {
          json.open_object();
          append_name(index);
          append_result(json, job);
          json.close_object();
        },
        first, kJobsAtOnce);
  }
}

// About how long an answer about the task will be: growing into it would copy it several times.
std::size_t expected_size(const task::LiveTask& task) {
  std::size_t size = 64;
  for (std::size_t first = 0; first < task.task().targets.size(); first += kJobsAtOnce) {
    task.visit(
        [&](std::size_t, const task::JobView& job) {
          size += kUsualJobBytes;
          if (job.outcome != nullptr) size += job.outcome->shown.size() * 9 / 8 + job.outcome->message.size();
        },
        first, kJobsAtOnce);
  }
  return size;
}

std::string task_body(const task::LiveTask& task) {
  std::string body;
  body.reserve(expected_size(task));
  JsonWriter json(body);
  json.open_object().open_object("data").open_array("jobs");
  append_jobs(json, task, [&](std::size_t index) {
    json.id("job_id", task.task().id.job(static_cast<std::uint32_t>(index)));
  });
  json.close_array().close_object();
  close_envelope(json);
  return body;
}

}  // namespace

std::string accepted_answer(const store::Task& task) {
  std::string body;
  body.reserve(128 + task.targets.size() * kUsualJobBytes / 2);
  JsonWriter json(body);
  json.open_object().open_object("data").id("task_id", task.id).open_array("cmd_jobs");
  for (std::uint32_t i = 0; i < task.targets.size(); ++i) {
    json.open_object().text("instance_id", task.targets[i]).id("job_id", task.id.job(i)).close_object();
  }
  json.close_array().close_object();
  close_envelope(json);
  return body;
}

std::shared_ptr<const std::string> task_answer(task::LiveTask& task) {
  // Asked before the jobs are read, so that an answer is kept only if nothing can change it any more.
  const bool keep = task.finished() && task.task().targets.size() <= kMostJobsKept;
  if (keep) {
    if (auto kept = task.kept_answer()) return kept;
  }
  auto body = std::make_shared<const std::string>(task_body(task));
  if (keep) task.keep_answer(body);
  return body;
}

std::string sync_answer(const task::LiveTask& task) {
  std::string body;
  body.reserve(expected_size(task));
  JsonWriter json(body);
  json.open_object().open_object("data").open_array("cmd_results");
  append_jobs(json, task, [&](std::size_t index) { json.text("instance_id", task.task().targets[index]); });
  json.close_array().close_object();
  close_envelope(json);
  return body;
}

}  // namespace drover::api::koophone
