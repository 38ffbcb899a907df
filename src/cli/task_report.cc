#include "cli/task_report.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "cli/errc.h"
#include "cli/grouping.h"
#include "cli/output.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kShownGroups = 30;
constexpr std::size_t kShownLines = 12;
constexpr std::size_t kShownIds = 10;
// For a server that cannot tell: no outage should be longer.
constexpr std::chrono::minutes kBusyPatience{10};

JobLine job_line(const json::value& job) {
  JobLine line;
  line.job_id = text_of(job, "job_id");
  line.instance_id = text_of(job, "instance_id");
  line.state = text_of(job, "state");
  line.error_code = text_of(job, "error_code");
  line.error_msg = text_of(job, "error_msg");
  line.output_bytes = number_of(job, "output_bytes");
  line.output_hash = text_of(job, "output_hash");
  const json::object& object = job.as_object();
  if (const json::value* code = object.if_contains("exit_code"); code != nullptr && code->is_int64()) {
    line.exit_code = code->get_int64();
  }
  if (const json::value* shown = object.if_contains("shown"); shown != nullptr && shown->is_string()) {
    line.shown = std::string(shown->get_string());
  }
  return line;
}

// What has ended can be told soon: somebody waited for it.
Result<json::value> get_soon(const Client& client, const std::string& target) {
  constexpr int kMostTries = 10;
  Result<json::value> answer = client.get(target);
  for (int tries = 1; tries < kMostTries && !answer && answer.error().code == Errc::kBusy; ++tries) {
    std::this_thread::sleep_for(Seconds(1));
    answer = client.get(target);
  }
  return answer;
}

Result<std::vector<Group>> fetch_groups(const Client& client, const std::string& id) {
  Grouping grouping;
  std::uint64_t offset = 0;
  while (true) {
    const std::string page = "?offset=" + std::to_string(offset) + "&limit=5000";
    const Result<json::value> answer = get_soon(client, task_path(id) + "/jobs" + page);
    if (!answer) return Failure(answer.error());
    for (const json::value& job : array_of(*answer, "jobs")) {
      if (job.is_object()) grouping.add(job_line(job));
    }
    const std::uint64_t next = number_of(*answer, "next_offset");
    if (next <= offset) return grouping.take();
    offset = next;
  }
}

json::value group_json(const Group& group) {
  json::array jobs;
  for (const Group::Member& member : group.members) {
    jobs.push_back({{"instance_id", member.instance_id}, {"job_id", member.job_id}});
  }
  json::object object{{"count", group.members.size()},
                      {"state", group.first.state},
                      {"error_code", group.first.error_code},
                      {"error_msg", group.first.error_msg},
                      {"output_bytes", group.first.output_bytes},
                      {"output_hash", group.first.output_hash}};
  object["exit_code"] = group.first.exit_code ? json::value(*group.first.exit_code) : json::value(nullptr);
  object["shown"] = group.first.shown ? json::value(*group.first.shown) : json::value(nullptr);
  object["jobs"] = std::move(jobs);
  return object;
}

Colour colour_of(const std::string& state) {
  if (state == "succeeded") return Colour::kGreen;
  if (state == "failed" || state == "lost") return Colour::kRed;
  return Colour::kYellow;
}

std::string names_of(const Group& group, std::size_t limit) {
  std::string text;
  const std::size_t shown = std::min(group.members.size(), limit);
  for (std::size_t i = 0; i < shown; ++i) text += (i == 0 ? "" : " ") + group.members[i].instance_id;
  if (shown < group.members.size()) text += " +" + std::to_string(group.members.size() - shown) + " more";
  return text;
}

// "2 x failed, exit 1: p7 p9"
void print_heading(const Group& group, bool largest, const ReportOptions& options, const Terminal& terminal) {
  const JobLine& job = group.first;
  std::string text = std::to_string(group.members.size()) + " x " + job.state;
  if (job.exit_code && *job.exit_code > 0) {
    text += ", exit " + std::to_string(*job.exit_code);
  } else if (!job.error_code.empty()) {
    text += ", " + job.error_code;
  }
  // Whom the usual answer came from interests nobody; who differs does.
  const bool names = options.full || !largest || group.members.size() <= kShownIds;
  std::string line = terminal.paint(colour_of(job.state), text);
  if (names) line += ": " + names_of(group, options.full ? group.members.size() : kShownIds);
  std::printf("%s\n", line.c_str());
  const bool says_more = !job.error_msg.empty() && job.error_code != "DROVER.JOB.EXIT";
  if (says_more) std::printf("    %s\n", terminal.paint(Colour::kDim, printable(job.error_msg)).c_str());
}

void print_lines(const std::string& text, std::size_t limit, std::uint64_t hidden_bytes,
                 const Terminal& terminal) {
  const CutText cut = cut_lines(text, limit);
  for (const std::string& line : cut.lines) std::printf("    %s\n", printable(line).c_str());
  std::string more;
  if (cut.left_out > 0) more = std::to_string(cut.left_out) + " more lines";
  if (hidden_bytes > 0) more += (more.empty() ? "" : " and ") + std::to_string(hidden_bytes) + " more bytes";
  if (more.empty()) return;
  std::printf("    %s\n", terminal.paint(Colour::kDim, "(" + more + "; --full shows all)").c_str());
}

// Everything that is kept of one job's output, with where bytes are missing.
Result<> print_whole_output(const Client& client, const std::string& job, const Terminal& terminal) {
  const Result<json::value> answer = get_soon(client, "/api/v1/jobs/" + percent_encoded(job));
  if (!answer) return Failure(answer.error());
  for (const char* const stream : {"stdout", "stderr"}) {
    const std::string text = text_of(*answer, stream);
    const std::uint64_t omitted = number_of(*answer, std::string(stream) + "_omitted_bytes");
    const bool titled = std::string_view(stream) == "stderr" && !text.empty();
    if (titled) std::printf("    %s\n", terminal.paint(Colour::kDim, "on standard error:").c_str());
    print_lines(text, static_cast<std::size_t>(-1), 0, terminal);
    if (omitted == 0) continue;
    const std::string note = "(" + std::to_string(omitted) + " bytes of " + stream +
                             " were not kept, from byte " +
                             std::to_string(number_of(*answer, std::string(stream) + "_omitted_at")) + " on)";
    std::printf("    %s\n", terminal.paint(Colour::kDim, note).c_str());
  }
  return {};
}

Result<> print_group(const Client& client, const Group& group, bool largest, const ReportOptions& options,
                     const Terminal& terminal) {
  print_heading(group, largest, options, terminal);
  if (!group.first.shown && group.first.output_bytes == 0) return {};
  if (options.full) return print_whole_output(client, group.first.job_id, terminal);
  const std::string shown = group.first.shown.value_or("");
  // The text may be longer than the bytes it came from: invalid ones were replaced.
  const std::uint64_t hidden = group.first.output_bytes > 1024 ? group.first.output_bytes - 1024 : 0;
  print_lines(shown, kShownLines, hidden, terminal);
  return {};
}

}  // namespace

std::string task_path(const std::string& id) { return "/api/v1/tasks/" + percent_encoded(id); }

TaskCounts counts_of(const json::value& task) {
  TaskCounts counts;
  const json::object* const object = task.if_object();
  const json::value* const value = object == nullptr ? nullptr : object->if_contains("counts");
  if (value == nullptr) return counts;
  counts.jobs = number_of(*value, "jobs");
  counts.queued = number_of(*value, "queued");
  counts.running = number_of(*value, "running");
  counts.succeeded = number_of(*value, "succeeded");
  counts.failed = number_of(*value, "failed");
  counts.lost = number_of(*value, "lost");
  counts.cancelled = number_of(*value, "cancelled");
  return counts;
}

bool all_succeeded(const TaskCounts& counts) { return counts.succeeded == counts.jobs; }

Result<> report_task(const Client& client, const json::value& task, const ReportOptions& options) {
  const Result<std::vector<Group>> groups = fetch_groups(client, text_of(task, "task_id"));
  if (!groups) return Failure(groups.error());
  if (options.json) {
    json::object object = task.as_object();
    json::array list;
    for (const Group& group : *groups) list.push_back(group_json(group));
    object["groups"] = std::move(list);
    print_json(object);
    return {};
  }
  const Terminal terminal = Terminal::of(stdout);
  const std::size_t shown = options.full ? groups->size() : std::min(groups->size(), kShownGroups);
  for (std::size_t i = 0; i < shown; ++i) {
    Result<> printed = print_group(client, (*groups)[i], i == 0, options, terminal);
    if (!printed) return printed;
  }
  if (shown == groups->size()) return {};
  std::size_t jobs = 0;
  for (std::size_t i = shown; i < groups->size(); ++i) jobs += (*groups)[i].members.size();
  std::printf("and %zu more groups of %zu jobs (--full shows all)\n", groups->size() - shown, jobs);
  return {};
}

Result<json::value> follow_task(const Client& client, const std::string& id, Interruption& interruption) {
  Progress progress;
  std::optional<SteadyTime> busy_since;
  // Most tasks end within the first second, and are answered at once then; only later is it worth drawing a
  // bar.
  Result<json::value> task = client.get(task_path(id) + "?wait=1");
  while (task ? text_of(*task, "state") != "finished" : task.error().code == Errc::kBusy) {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (task) {
      busy_since.reset();
      progress.show(counts_of(*task));
    } else if (busy_since) {
      if (now - *busy_since > kBusyPatience) break;
    } else {
      busy_since = now;
      progress.clear();
      std::fprintf(stderr, "The server cannot tell at the moment: %s. Waiting; Ctrl-C leaves\n",
                   printable(task.error().message).c_str());
    }
    if (!interruption.pause()) break;
    task = client.get(task_path(id));
  }
  progress.clear();
  return task;
}

}  // namespace drover::cli
