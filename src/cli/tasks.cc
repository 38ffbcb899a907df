#include <boost/json.hpp>
#include <cstdio>
#include <thread>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/errc.h"
#include "cli/output.h"
#include "cli/task_report.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

// Nobody asks here: Ctrl-C ends the program, and the task runs on.
class OnlySleep final : public Interruption {
 public:
  bool pause() override {
    std::this_thread::sleep_for(Millis(250));
    return true;
  }
};

std::string cut(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  text.resize(limit - 3);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) != 0) text.pop_back();
  return text + "...";
}

void print_task(const json::value& task) {
  const TaskCounts counts = counts_of(task);
  const Terminal terminal = Terminal::of(stdout);
  std::printf("%s\n", terminal.paint(Colour::kBold, printable(text_of(task, "command"))).c_str());
  std::string line = "task " + text_of(task, "task_id") + ", " + text_of(task, "state") + ", accepted " +
                     text_of(task, "created_at");
  const std::string finished = text_of(task, "finished_at");
  if (!finished.empty()) line += ", finished " + finished;
  std::printf("%s\n", printable(line).c_str());
  std::printf("start deadline %s, run timeout %s: %llu of %llu jobs have ended\n",
              format_duration(Seconds(number_of(task, "start_deadline_s"))).c_str(),
              format_duration(Seconds(number_of(task, "run_timeout_s"))).c_str(),
              static_cast<unsigned long long>(counts.ended()), static_cast<unsigned long long>(counts.jobs));
}

int report(const Client& client, const json::value& task, const TaskOptions& options) {
  if (!options.client.json) print_task(task);
  const Result<> reported = report_task(client, task, {options.client.json, options.full});
  return reported ? kExitOk : show_error(reported.error());
}

}  // namespace

int list_tasks(const TaskOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  std::string target = "/api/v1/tasks?limit=" + std::to_string(options.limit);
  if (!options.before.empty()) target += "&before=" + percent_encoded(options.before);
  const Result<json::value> answer = client->get(target);
  if (!answer) return show_error(answer.error());
  if (options.client.json) {
    print_json(*answer);
    return kExitOk;
  }
  Table table({"TASK", "STATE", "JOBS", "OK", "NOT OK", "ACCEPTED", "COMMAND"});
  for (const json::value& task : array_of(*answer, "tasks")) {
    const TaskCounts counts = counts_of(task);
    table.add({text_of(task, "task_id"), text_of(task, "state"), std::to_string(counts.jobs),
               std::to_string(counts.succeeded), std::to_string(counts.ended() - counts.succeeded),
               text_of(task, "created_at"), cut(text_of(task, "command"), 60)});
  }
  table.print();
  return kExitOk;
}

int show_task(const TaskOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> task = client->get(task_path(options.id));
  if (!task) return show_error(task.error());
  return report(*client, *task, options);
}

int wait_for_task(const TaskOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  OnlySleep interruption;
  const Result<json::value> task = follow_task(*client, options.id, interruption);
  if (!task) return show_error(task.error());
  if (const int code = report(*client, *task, options); code != kExitOk) return code;
  return all_succeeded(counts_of(*task)) ? kExitOk : kExitNotAll;
}

int cancel_task(const TaskOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  const Result<json::value> answer = client->post(task_path(options.id) + "/cancel", json::object{});
  if (!answer) return show_error(answer.error());
  if (options.client.json) print_json(*answer);
  if (!options.client.json) std::printf("cancelled; what runs is stopped on its phone\n");
  return kExitOk;
}

}  // namespace drover::cli
