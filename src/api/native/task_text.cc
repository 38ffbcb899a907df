#include "api/native/task_text.h"

#include <charconv>

#include "api/job_text.h"

namespace drover::api::native {
namespace {

constexpr std::size_t kLongestShown = 1024;  // bytes

void append_request(JsonWriter& json, const store::Task& task, std::int64_t finished_ms) {
  json.id("task_id", task.id).text("command", task.command);
  json.text("state", finished_ms != 0 ? "finished" : "running");
  json.time("created_at", task.created_ms).time("finished_at", finished_ms);
  json.number("start_deadline_s", task.start_deadline_s).number("run_timeout_s", task.run_timeout_s);
}

// 16 hex digits: JSON numbers of other languages do not hold 64 bits.
std::string hash_text(std::uint64_t hash) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, hash, 16).ptr;
  return std::string(static_cast<std::size_t>(digits + sizeof digits - end), '0').append(digits, end);
}

}  // namespace

void append_task(JsonWriter& json, const task::LiveTask& task) {
  // Asked before the counts are: what is shown as finished has no open jobs.
  const bool finished = task.finished();
  const task::Counts counts = task.counts();
  append_request(json, task.task(), finished ? task.finished_ms() : 0);
  json.open_object("counts").number("jobs", counts.jobs);
  json.number("queued", std::int64_t{counts.jobs} - counts.running - counts.ended())
      .number("running", counts.running);
  json.number("succeeded", counts.succeeded).number("failed", counts.failed);
  json.number("lost", counts.lost).number("cancelled", counts.cancelled).close_object();
}

void append_task(JsonWriter& json, const store::Store::TaskSummary& summary) {
  append_request(json, summary.task, summary.task.finished_ms);
  json.open_object("counts").number("jobs", summary.jobs).number("queued", summary.jobs - summary.ended());
  json.number("running", 0).number("succeeded", summary.succeeded).number("failed", summary.failed);
  json.number("lost", summary.lost).number("cancelled", summary.cancelled).close_object();
}

void append_job(JsonWriter& json, const store::Task& task, std::uint32_t index, store::JobState state,
                const store::JobOutcome* outcome) {
  json.id("job_id", task.id.job(index))
      .text("instance_id", task.targets[index])
      .text("state", state_name(state));
  if (outcome == nullptr) {
    json.text("error_code", "").text("error_msg", "").null("exit_code").null("begun_at").null("ended_at");
    json.null("shown").number("output_bytes", 0).null("output_hash");
    return;
  }
  json.text("error_code", error_code(outcome->error)).text("error_msg", error_message(*outcome));
  if (outcome->exit_code >= 0) {
    json.number("exit_code", outcome->exit_code);
  } else {
    json.null("exit_code");
  }
  json.time("begun_at", outcome->begun_ms).time("ended_at", outcome->ended_ms);
  if (has_run(*outcome)) {
    json.text("shown", outcome->shown, kLongestShown);
  } else {
    json.null("shown");
  }
  json.number("output_bytes", static_cast<std::int64_t>(outcome->output_bytes));
  json.text("output_hash", hash_text(outcome->output_hash));
}

}  // namespace drover::api::native
