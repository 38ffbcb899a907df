#include <boost/json.hpp>
#include <cstdio>
#include <thread>

#include "cli/access_commands.h"
#include "cli/client.h"
#include "cli/errc.h"
#include "cli/missing.h"
#include "cli/output.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kPage = 1'000;
constexpr Millis kPause{1'000};  // between looks for new entries

std::string target_of(const AuditOptions& options, std::uint64_t after) {
  std::string target = "/api/v1/audit?limit=" + std::to_string(kPage) + "&after=" + std::to_string(after);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) target.append("&").append(name).append("=").append(percent_encoded(value));
  };
  add("project", options.project);
  add("from", options.from);
  add("until", options.until);
  return target;
}

// Prints the entries after `after` and moves it to the last. True: there are more already.
Result<bool> print_page(const Client& client, const AuditOptions& options, std::uint64_t& after) {
  const Result<json::value> answer = client.get(target_of(options, after));
  if (!answer) return Failure(explain(client, answer.error(), {.project = options.project}));
  for (const json::value& entry : array_of(*answer, "entries")) {
    print_json(entry);
    after = std::max(after, number_of(entry, "seq"));
  }
  std::fflush(stdout);
  return !text_of(*answer, "next").empty();
}

}  // namespace

int print_audit(const AuditOptions& options) {
  const Result<Client> client = make_client(options.client);
  if (!client) return show_error(client.error());
  // Ctrl-C ends the program as it ends any: nothing is left behind.
  for (std::uint64_t after = options.after;;) {
    Result<bool> more = print_page(*client, options, after);
    if (!more) {
      if (after > options.after)
        more.error().message += "\nGo on with --after " + std::to_string(after) + ".";
      return show_error(more.error());
    }
    if (*more) continue;
    if (!options.follow) return kExitOk;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace drover::cli
