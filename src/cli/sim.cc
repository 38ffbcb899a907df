#include <sys/resource.h>

#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "base/log.h"
#include "base/loop.h"
#include "base/loop_call.h"
#include "cli/commands.h"
#include "cli/errc.h"
#include "cli/import.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/process.h"
#include "cli/terminal.h"
#include "sim/simulator.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

Result<sim::SimOptions> sim_options(const SimCommandOptions& options) {
  sim::SimOptions to;
  to.phones = options.phones;
  to.port = options.port;
  to.shell = options.shell == "host" ? sim::ShellKind::kHost : sim::ShellKind::kAndroid;
  to.state_dir = options.state_dir;
  to.auth_keys = options.auth;
  to.journal = options.journal;
  to.control = options.control;
  for (const std::string& text : options.faults) {
    Result<sim::FaultRule> rule = sim::parse_fault_rule(text);
    if (!rule) return Failure(rule.error());
    to.faults.push_back(*rule);
  }
  return to;
}

std::vector<NewInstance> instances_of(const sim::Simulator& simulator) {
  std::vector<NewInstance> instances;
  instances.reserve(simulator.phones());
  for (std::size_t i = 0; i < simulator.phones(); ++i) {
    std::array<char, 32> id{};
    std::snprintf(id.data(), id.size(), "sim-%05zu", i);
    instances.push_back({id.data(), "adb://" + simulator.address_of(i)});
  }
  return instances;
}

void tell_ready(const SimCommandOptions& options, const sim::Simulator& simulator) {
  std::FILE* const to = options.print_instances.empty() ? stdout : stderr;
  const std::string first = simulator.address_of(0);
  if (options.json) {
    const json::object ready{
        {"ready", true}, {"phones", simulator.phones()}, {"port", simulator.port()}, {"first", first}};
    std::fprintf(to, "%s\n", json::serialize(ready).c_str());
  } else {
    std::fprintf(to, "drover simulates %zu phones, adb://%s to adb://%s\n", simulator.phones(), first.c_str(),
                 simulator.address_of(simulator.phones() - 1).c_str());
  }
  std::fflush(to);
}

Result<> tell_instances(const SimCommandOptions& options, const sim::Simulator& simulator) {
  const std::vector<NewInstance> instances = instances_of(simulator);
  if (!options.print_instances.empty()) {
    const std::string text =
        options.print_instances == "json" ? instances_json(instances) + "\n" : instances_csv(instances);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  const std::string& file = options.write_instances;
  if (file.empty()) return {};
  return write_whole_file(
      file, file.ends_with(".json") ? instances_json(instances) + "\n" : instances_csv(instances));
}

int show_failure(const Error& error) { return show_error({make_error_code(Errc::kUsage), error.message}); }

}  // namespace

int simulate(const SimCommandOptions& options) {
  if (const Result<> logging = start_logging({.level = "warn"}); !logging)
    return show_failure(logging.error());
  Result<sim::SimOptions> sim_opts = sim_options(options);
  if (!sim_opts) return show_failure(sim_opts.error());

  StopSignals signals;
  const Clock clock;
  LoopThread thread(clock, "sim");
  Result<std::unique_ptr<sim::Simulator>> simulator = fail(Errc::kUsage, "");
  call_on(thread.loop(), [&] { simulator = sim::Simulator::start(thread.loop(), *std::move(sim_opts)); });
  if (!simulator) return show_failure(simulator.error());

  int code = kExitOk;
  if (const Result<> told = tell_instances(options, **simulator); !told) code = show_error(told.error());
  if (code == kExitOk) tell_ready(options, **simulator);
  while (code == kExitOk && signals.count() == 0) signals.wait(Millis(60'000));
  call_on(thread.loop(), [&] { simulator->reset(); });
  thread.join();
  flush_log();
  return code;
}

int tell_simulator(const std::string& control, const std::string& line) {
  const Result<std::string> answer = sim::send_control(control, line);
  if (!answer) return show_failure(answer.error());
  if (!answer->empty()) std::printf("%s\n", printable(*answer).c_str());
  return kExitOk;
}

}  // namespace drover::cli
