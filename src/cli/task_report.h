// Following a task to its end, and telling what came of it. Shared by `run` and `tasks`.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "base/result.h"
#include "cli/client.h"
#include "cli/terminal.h"

namespace drover::cli {

// The path of a task in the API.
std::string task_path(const std::string& id);

TaskCounts counts_of(const boost::json::value& task);
bool all_succeeded(const TaskCounts& counts);

struct ReportOptions {
  bool json = false;
  bool full = false;  // whole outputs, all groups, all ids
};

// Fetches the jobs of `task` (a task object of the API) and prints them to standard output, grouped. `now`
// for a task that still runs: how its jobs are at this moment.
Result<> report_task(const Client& client, const boost::json::value& task, const ReportOptions& options);

// Who else may end the waiting.
class Interruption {
 public:
  virtual ~Interruption() = default;
  // Sleeps for about a quarter of a second, less if it is interrupted. False: stop waiting.
  virtual bool pause() = 0;
};

// Shows progress until the task has ended, and returns its last task object; nothing more happens to it when
// `interruption` ends the waiting: the object then says "running".
Result<boost::json::value> follow_task(const Client& client, const std::string& id,
                                       Interruption& interruption);

}  // namespace drover::cli
