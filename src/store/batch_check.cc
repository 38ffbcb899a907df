#include "store/batch_check.h"

#include <algorithm>
#include <string>

#include "store/keys.h"

namespace drover::store {

Failure refuse(const char* why) { return failure(std::make_error_code(std::errc::invalid_argument), why); }

Result<> check_task(const Task& task) {
  if (task.seq <= 0 || task.seq > kMaxTask) return refuse("a task's number is out of range");
  if (task.id.part() != 0) return refuse("a task has the id of a job");
  if (task.targets.size() > JobKey::kMaxJobs) return refuse("a task has too many jobs");
  const auto broken = [](const std::string& target) { return target.find('\n') != std::string::npos; };
  if (std::ranges::any_of(task.targets, broken)) return refuse("a target contains a newline");
  return {};
}

Result<> check_audit(const WriteBatch& batch, Result<> (*check)(const AuditEntry& entry)) {
  auto task = batch.accepted.begin();
  for (const AuditEntry& entry : batch.audit) {
    if (auto fine = check(entry); !fine) return fine;
    if (entry.task == 0) continue;
    task = std::find_if(task, batch.accepted.end(), [&](const Task& each) { return each.seq == entry.task; });
    if (task == batch.accepted.end()) return refuse("an entry of the audit log is about no accepted task");
  }
  return {};
}

}  // namespace drover::store
