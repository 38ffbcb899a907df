#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/doctor_checks.h"
#include "cli/errc.h"
#include "cli/local_config.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "store/postgres/postgres_check.h"
#include "store/sqlite/sqlite_check.h"

namespace drover::cli {
namespace {

namespace json = boost::json;
using store::Finding;
using store::Verdict;

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarning:
      return "warn";
    case Verdict::kFailure:
      return "FAIL";
  }
  return "FAIL";
}

Colour colour_of(Verdict verdict) {
  if (verdict == Verdict::kOk) return Colour::kGreen;
  return verdict == Verdict::kWarning ? Colour::kYellow : Colour::kRed;
}

// Lines after the first stand below it.
std::string indented(std::string text, std::size_t columns) {
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1))
    text.insert(at + 1, columns, ' ');
  return text;
}

void show(const Terminal& terminal, const Finding& finding) {
  const std::string verdict = name_of(finding.verdict);
  std::printf("%s%s %-12s %s\n", terminal.paint(colour_of(finding.verdict), verdict).c_str(),
              std::string(4 - verdict.size(), ' ').c_str(), finding.check.c_str(),
              indented(printable(finding.message), 18).c_str());
  if (!finding.advice.empty()) std::printf("     %s\n", indented(printable(finding.advice), 5).c_str());
  std::fflush(stdout);  // the next check may take long
}

json::value json_of(const Finding& finding) {
  const char* const result = finding.verdict == Verdict::kFailure ? "fail" : name_of(finding.verdict);
  return json::object{
      {"check", finding.check}, {"result", result}, {"message", finding.message}, {"advice", finding.advice}};
}

// Shows findings as they come, unless they are for a program.
class Report {
 public:
  explicit Report(bool as_json) : json_(as_json) {}

  void add(Finding finding) {
    if (!json_) show(terminal_, finding);
    findings_.push_back(std::move(finding));
  }
  void add(std::vector<Finding> findings) {
    for (Finding& finding : findings) add(std::move(finding));
  }

  int end() const {
    const bool wrong =
        std::ranges::any_of(findings_, [](const Finding& each) { return each.verdict == Verdict::kFailure; });
    if (json_) {
      json::array checks;
      for (const Finding& finding : findings_) checks.push_back(json_of(finding));
      print_json(json::object{{"ok", !wrong}, {"checks", std::move(checks)}});
    }
    return wrong ? kExitNotAll : kExitOk;
  }

 private:
  const bool json_;
  const Terminal terminal_ = Terminal::of(stdout);
  std::vector<Finding> findings_;
};

std::string where_set(const LoadedConfig& loaded) {
  if (loaded.origins.empty()) return "each has its default";
  std::string text = "not at their defaults:";
  for (const auto& [name, place] : loaded.origins)
    text += std::string(text.back() == ':' ? " " : ", ") + name + " (" + place + ")";
  return text;
}

}  // namespace

int examine(const DoctorOptions& options) {
  (void)start_logging({.level = "off"});  // findings say it all, and programs read them
  Report report(options.local.json);
  std::map<std::string, std::string> flags;
  if (!options.local.data_dir.empty()) flags["data_dir"] = options.local.data_dir;
  if (!options.store.empty()) flags["store"] = options.store;
  const Result<LoadedConfig> loaded = load_local_config(options.local.config, std::move(flags));
  if (!loaded) {
    report.add({"settings", Verdict::kFailure, loaded.error().message,
                "`drover serve` does not start with these: correct them, then look again."});
    return report.end();
  }
  report.add({"settings", Verdict::kOk, where_set(*loaded), {}});
  for (const std::string& warning : loaded->warnings)
    report.add({"settings", Verdict::kWarning, warning, {}});

  const Config& config = loaded->config;
  std::vector<Finding> folder = check_folder(config);
  const bool is_there = folder.front().verdict == Verdict::kOk;
  report.add(std::move(folder));
  if (!is_there) return report.end();
  report.add(check_disk(config));
  report.add(check_key(config));
  if (config.http.tls()) report.add(check_certificate(config));
  if (lacks_store(config)) {
    report.add(check_node(config));
    return report.end();
  }
  store::CheckReport database =
      config.on_postgres()
          ? store::check_postgres(config.store, config.shown_store())
          : store::check_sqlite(
                {.path = config.database(), .full = options.full, .now_ms = Clock().unix_ms()});
  report.add(std::move(database.findings));
  report.add(check_master_key(config, database));
  report.add(check_descriptors(config, database));
  return report.end();
}

}  // namespace drover::cli
