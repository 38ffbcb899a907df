#include <arpa/inet.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <optional>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/errc.h"
#include "cli/local_config.h"
#include "cli/node.h"
#include "cli/paths.h"
#include "cli/process.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

constexpr Millis kLogPause{100};     // how long a log line may stay in memory
constexpr Millis kPollPause{1'000};  // in which clients who poll ask again

std::string url_of(const Config& config, std::uint16_t port) {
  const bool v6 = config.http.address.find(':') != std::string::npos;
  return (config.http.tls() ? "https://" : "http://") +
         (v6 ? "[" + config.http.address + "]" : config.http.address) + ":" + std::to_string(port);
}

// Who may administer the server, this once: on standard output alone, which is no log.
void tell_administrator(const ServeOptions& options, const identity::FirstAdministrator& made,
                        json::object& ready) {
  if (options.json) {
    json::object& shown = ready["first_administrator"].emplace_object();
    shown["user"] = made.name;
    if (!made.password.empty()) shown["password"] = made.password;
  } else if (!made.password.empty()) {
    std::printf("made the user %s, administrator of all projects; the password, shown this once: %s\n",
                made.name.c_str(), made.password.c_str());
  }
}

void tell_ready(const ServeOptions& options, const Config& config, const Node& node) {
  json::object ready{{"ready", true},
                     {"url", url_of(config, node.port())},
                     {"port", node.port()},
                     {"socket", config.socket()},
                     {"instances", node.instances()},
                     {"pid", ::getpid()}};
  const std::string line = json::serialize(ready) + "\n";
  if (const auto& made = node.first_administrator()) tell_administrator(options, *made, ready);
  if (options.json) {
    std::fputs((json::serialize(ready) + "\n").c_str(), stdout);
  } else {
    std::printf("drover serves %s (socket %s), %zu instances\n", url_of(config, node.port()).c_str(),
                config.socket().c_str(), node.instances());
  }
  std::fflush(stdout);
  if (options.ready_fd < 0) return;
  if (::write(options.ready_fd, line.data(), line.size()) < 0) spdlog::warn("nobody reads --ready-fd");
  if (options.ready_fd > STDERR_FILENO) ::close(options.ready_fd);
}

// Until a signal comes, or the node has lost its database to another.
void run(const Node& node, StopSignals& signals) {
  while (signals.count() == 0 && !node.lost()) {
    signals.wait(kLogPause);
    flush_log();
  }
}

// Waits until `over` says so, the time has passed or a second signal has come, be it together with the first.
template <typename Over>
void wait_for(Over over, StopSignals& signals, Millis patience) {
  const SteadyTime end = std::chrono::steady_clock::now() + patience;
  while (!over() && signals.count() == 1 && std::chrono::steady_clock::now() < end) {
    signals.wait(kLogPause);
    flush_log();
  }
}

// Lets running jobs end, until they have, the time is over or another signal comes.
void drain(Node& node, StopSignals& signals, Seconds patience) {
  spdlog::info("stopping: no more tasks are taken, running jobs have {} s to end", patience.count());
  const SteadyTime begun = std::chrono::steady_clock::now();
  std::atomic<bool> drained{false};
  node.drain([&] {
    drained = true;
    signals.wake();
  });
  wait_for([&] { return drained.load(); }, signals, patience);
  if (!drained) spdlog::warn("jobs still run: the next start will show them as interrupted");
  // Who polls for the answers of the last jobs is to see them.
  const bool jobs_ended = drained && std::chrono::steady_clock::now() - begun > kLogPause;
  if (jobs_ended) wait_for([] { return false; }, signals, kPollPause);
  node.stop();  // afterwards `drained` is told nothing more
}

std::string how_it_was_lost(const Config& config, const std::string& twin) {
  const std::string end = ": what ran here ends there as interrupted";
  if (twin.empty())
    return "another server has taken over " + config.shown_store() +
           ", because this one did not renew its lease for 5 s" + end;
  return "the server on " + twin + " has taken over, because it has the same `node` file as this one, " +
         config.data_dir + "/node" + end +
         ".\nTwo servers with the same one end each other: remove it from the data folder that is a copy."
         "\nThe next start there makes another.";
}

int serve_until_stopped(const ServeOptions& options, const LoadedConfig& loaded) {
  const Config& config = loaded.config;
  for (const std::string& warning : loaded.warnings) spdlog::warn("{}", warning);
  if (const Result<> made = make_private_dir(config.data_dir); !made) return show_error(made.error());
  std::signal(SIGPIPE, SIG_IGN);
  // Until then a signal ends the program at once: a start may wait long for a database, and leaves nothing
  // that the next one would not find in order.
  std::optional<StopSignals> signals;
  Result<std::unique_ptr<Node>> node =
      Node::start(config, raise_descriptor_limit(), [&signals] { signals.emplace(); });
  if (!node) {
    flush_log();
    return show_error({make_error_code(Errc::kUsage), node.error().message});
  }
  spdlog::info("serving {} and {}", url_of(config, (*node)->port()), config.socket());
  tell_ready(options, config, **node);
  run(**node, *signals);
  if ((*node)->lost()) {
    (*node)->stop();
    flush_log();
    return show_error({make_error_code(Errc::kRefused), how_it_was_lost(config, (*node)->lost_to())});
  }
  drain(**node, *signals, Seconds(config.drain_timeout_s));
  spdlog::info("stopped");
  return kExitOk;
}

}  // namespace

int serve(const ServeOptions& options) {
  const Result<LoadedConfig> loaded = load_local_config(options.config, options.settings);
  if (!loaded) return show_error(loaded.error());
  if (options.print_config) {
    std::fputs((options.json ? show_config_json(*loaded) : show_config(*loaded)).c_str(), stdout);
    return kExitOk;
  }
  const LogFormat format = loaded->config.log.format == "json" ? LogFormat::kJson : LogFormat::kText;
  if (const Result<> logging = start_logging({loaded->config.log.level, format}); !logging) {
    return show_error({make_error_code(Errc::kUsage), logging.error().message});
  }
  const int code = serve_until_stopped(options, *loaded);
  flush_log();
  return code;
}

}  // namespace drover::cli
