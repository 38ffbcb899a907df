#include <poll.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <ctime>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/errc.h"
#include "cli/output.h"
#include "cli/task_report.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

volatile std::sig_atomic_t interrupts = 0;
volatile std::sig_atomic_t watching = 0;  // the task's id is known

// The first Ctrl-C is answered with a question, or waits for the task's id; the second ends the program at
// once.
void on_interrupt(int) {
  constexpr char kWaiting[] = "\nwaiting for the server to name the task; Ctrl-C again leaves at once\n";
  if (interrupts > 0) {
    [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, "\n", 1);
    ::_exit(kExitInterrupted);
  }
  interrupts = 1;
  if (watching == 0) {
    [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, kWaiting, sizeof kWaiting - 1);
  }
}

// Ctrl-C from when a task is asked for: it belongs to the server, so whoever asked for it says what is to
// become of it.
class CtrlC final : public Interruption {
 public:
  explicit CtrlC(const Client& client) : client_(client) {
    ::sigaction(SIGINT, nullptr, &before_);
    handle(SA_RESTART);  // the answer with the task's id is waited for, if it does not take long
  }
  ~CtrlC() override { ::sigaction(SIGINT, &before_, nullptr); }

  bool came() const { return interrupts > 0; }
  void watch(std::string task) {
    task_ = std::move(task);
    watching = 1;
    handle(0);  // sleeping and reading end at once
  }

  bool pause() override {
    timespec quarter{0, 250'000'000};
    if (interrupts == 0) ::nanosleep(&quarter, nullptr);
    if (interrupts == 0) return true;
    if (ask_to_cancel()) return cancel();
    left_ = true;
    return false;
  }

  bool left() const { return left_; }

 private:
  static void handle(int flags) {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    action.sa_flags = flags;
    ::sigaction(SIGINT, &action, nullptr);
  }

  static bool ask_to_cancel() {
    if (::isatty(STDIN_FILENO) != 1) return false;
    std::fputs("\r\x1b[KThe task runs on. Leave it running (Enter), or cancel it (c)? ", stderr);
    std::fflush(stderr);
    char answer[64];
    const ssize_t n = ::read(STDIN_FILENO, answer, sizeof answer);
    return n > 0 && (answer[0] == 'c' || answer[0] == 'C');
  }

  // True: go on watching how its jobs end.
  bool cancel() {
    interrupts = 0;
    const Result<json::value> answer = client_.post(task_path(task_) + "/cancel", json::object{});
    if (answer) {
      std::fputs("cancelling\n", stderr);
      return true;
    }
    show_error(answer.error());
    left_ = true;
    return false;
  }

  const Client& client_;
  std::string task_;
  struct sigaction before_ {};
  bool left_ = false;
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

Result<json::object> request_of(const RunOptions& options) {
  if (options.all == !options.instances.empty()) {
    return fail(Errc::kUsage, "say where to run it: --all, or --instances a,b");
  }
  if (options.words.empty()) {
    return fail(Errc::kUsage,
                "say what to run, for example: drover run --all -- getprop ro.build.version.release");
  }
  json::object request{{"command", joined(options.words)},
                       {"start_deadline_s", options.start_deadline.count()},
                       {"run_timeout_s", options.run_timeout.count()}};
  if (options.all) {
    request["all"] = true;
  } else {
    request["instance_ids"] = json::array(options.instances.begin(), options.instances.end());
  }
  return request;
}

int tell_left(const std::string& id) {
  std::fprintf(stderr, "Left running. Look at it with: drover tasks show %s\n", id.c_str());
  return kExitInterrupted;
}

int watch(const RunOptions& options, const Client& client, const std::string& id, CtrlC& interruption) {
  interruption.watch(id);
  const Result<json::value> task = follow_task(client, id, interruption);
  if (!task && interruption.left()) return tell_left(id);
  if (!task) {
    const int code = show_error(task.error());
    std::fprintf(stderr, "The task may still run. Look at it with: drover tasks show %s\n", id.c_str());
    return code;
  }
  if (interruption.left()) {
    if (options.client.json) print_json(*task);
    return tell_left(id);
  }
  const Result<> reported = report_task(client, *task, {options.client.json, options.full});
  if (!reported) return show_error(reported.error());
  const TaskCounts counts = counts_of(*task);
  std::fprintf(stderr, "task %s: %s\n", id.c_str(), describe(counts).c_str());
  return all_succeeded(counts) ? kExitOk : kExitNotAll;
}

}  // namespace

int run_command(const RunOptions& options) {
  const Result<json::object> request = request_of(options);
  if (!request) return show_error(request.error());
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  CtrlC interruption(*client);
  const Result<json::value> accepted = client->post("/api/v1/tasks", *request);
  if (!accepted && interruption.came()) {
    std::fputs("The task may have been accepted all the same. Look for it with: drover tasks list\n", stderr);
    return kExitInterrupted;
  }
  if (!accepted) return show_error(accepted.error());

  const std::string id = text_of(*accepted, "task_id");
  if (options.detach) {
    if (options.client.json) print_json(*accepted);
    if (!options.client.json) std::printf("%s\n", printable(id).c_str());
    return kExitOk;
  }
  if (number_of(*accepted, "jobs") == 0) {
    return show_error({make_error_code(Errc::kRefused),
                       "there are no instances yet: add some with `drover instances add` or `import`"});
  }
  return watch(options, *client, id, interruption);
}

}  // namespace drover::cli
