#include "store/postgres/writes.h"

namespace drover::store::postgres {

WriteSize TaskWrite::size() const {
  WriteSize size{batch_.accepted.size() + batch_.begun.size() + batch_.unbegun.size() + batch_.ended.size() +
                     batch_.finished.size() + batch_.parted.size() + batch_.audit.size(),
                 0};
  for (const Task& task : batch_.accepted) {
    size.bytes += task.command.size();
    for (const std::string& target : task.targets) size.bytes += target.size() + 1;
  }
  for (const auto& [job, outcome, id] : batch_.ended)
    size.bytes += outcome.out.bytes.size() + outcome.err.bytes.size();
  for (const AuditEntry& entry : batch_.audit) {
    for (const std::string& id : entry.instances) size.bytes += id.size();
  }
  return size;
}

void TaskWrite::add_to(Group& group) {
  allowed_ = group.tasks.check(batch_);
  if (allowed_) group.tasks.add(batch_);
}

void TaskWrite::finish(const Result<>& committed, const Answer&) {
  done_(committed ? allowed_ : committed, std::move(batch_));
}

void PutInstances::finish(const Result<>& committed, const Answer& answer) {
  if (!committed) return done_(tl::make_unexpected(committed.error()));
  if (!allowed_) return done_(tl::make_unexpected(allowed_.error()));
  done_(put_of(std::move(instances_), answer.rows));
}

}  // namespace drover::store::postgres
