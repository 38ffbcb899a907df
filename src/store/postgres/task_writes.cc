#include "store/postgres/task_writes.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "store/batch_check.h"
#include "store/postgres/keys.h"

namespace drover::store::postgres {
namespace {

const Statement kAddOpen{"add_open",
                         "INSERT INTO drover.open_task(seq, day, jobs) SELECT a, $2, b FROM "
                         "unnest($1::int8[], $3::int4[]) AS row(a, b)"};
const Statement kRemoveOpen{"remove_open", "DELETE FROM drover.open_task WHERE seq = ANY($1::int8[])"};
const Statement kAddBegun{
    "add_begun", "INSERT INTO drover.begun SELECT a, b FROM unnest($1::int8[], $2::int8[]) AS row(a, b)"};
const Statement kRemoveBegun{"remove_begun", "DELETE FROM drover.begun WHERE job = ANY($1::int8[])"};
const Statement kRemoveBegunOf{"remove_begun_of",
                               "DELETE FROM drover.begun b USING unnest($1::int8[]) AS n(task)"
                               " WHERE b.job BETWEEN n.task * 1048576 AND n.task * 1048576 + 1048575"};
// Another node may be about to store the last outcome of the same task: who comes second sees both.
const Statement kLockOpen{
    "lock_open", "SELECT seq FROM drover.open_task WHERE seq = ANY($1::int8[]) ORDER BY seq FOR UPDATE"};
const Statement kSendTasks{"send_tasks", "SELECT drover.send_tasks($1, $2, $3)"};
const Statement kStock{"stock", "INSERT INTO drover.stock VALUES($1, $2, $3)"};
const Statement kDeleteOld{"delete_old",
                           "SELECT drover.answer($1, CASE WHEN $1 = (SELECT min(epoch) FROM drover.node)"
                           " THEN drover.delete_old($2, $3, $4, $5) ELSE 0 END)"};  // one node is enough

using Bytes = std::vector<std::optional<std::string_view>>;

// Small output is shown whole: its bytes need not be stored twice.
std::optional<std::string_view> unless_shown(const StreamOutput& stream, const JobOutcome& job) {
  if (stream.bytes == job.shown) return std::nullopt;
  return stream.bytes;
}

}  // namespace

Result<> TaskGroup::check(const WriteBatch& batch) const {
  std::unordered_set<std::int64_t> accepted;
  for (const Task& task : batch.accepted) {
    if (auto fine = check_task(task); !fine) return fine;
    accepted.insert(task.seq);
  }
  const auto open = [&](std::int64_t task, const Id& id) {
    return id != Id() || accepted.contains(task) || days_->day_of(task);
  };
  for (const auto& ended : batch.ended)
    if (!open(ended.job.task, ended.id)) return refuse("an outcome is of no open task");
  for (const auto& finished : batch.finished)
    if (!open(finished.task, finished.id)) return refuse("a task that finished is not open");
  for (const auto& parted : batch.parted)
    if (!open(parted.task, parted.id)) return refuse("a task that may finish is not open");
  return check_audit(batch, postgres::check);
}

void TaskGroup::add(const WriteBatch& batch) {
  auto entry = batch.audit.begin();
  for (const Task& task : batch.accepted) {
    const std::int32_t day = day_of_id(task.id);
    if (days_->open(task.seq, day)) opened_.push_back(task.seq);
    used_.insert(day);
    by_day_[day].accepted.push_back(&task);
    largest_ = std::max(largest_, task.seq);
    for (; entry != batch.audit.end() && (entry->task == 0 || entry->task == task.seq); ++entry) {
      if (entry->task == 0) {
        audit_.add(*entry);
      } else {
        audit_.add(*entry, task);
      }
    }
  }
  for (; entry != batch.audit.end(); ++entry) audit_.add(*entry);
  begin_jobs(batch);
  for (const auto& ended : batch.ended) by_day_[use_day_of(ended.job.task, ended.id)].ended.push_back(&ended);
  for (const auto& finished : batch.finished)
    by_day_[use_day_of(finished.task, finished.id)].finished.push_back(&finished);
  for (const auto& parted : batch.parted)
    by_day_[use_day_of(parted.task, parted.id)].parted.push_back(&parted);
  parted_ = parted_ || !batch.parted.empty();
  finishes_ = finishes_ || !batch.finished.empty();
  elsewhere_.insert(elsewhere_.end(), batch.elsewhere.begin(), batch.elsewhere.end());
  rows_ += batch.accepted.size() * 2 + batch.begun.size() + batch.unbegun.size() + batch.ended.size() +
           batch.finished.size() * 2 + batch.audit.size();
}

std::int32_t TaskGroup::use_day_of(std::int64_t task, const Id& id) {
  const std::int32_t day = id != Id() ? day_of_id(id) : days_->day_of(task).value_or(0);
  used_.insert(day);
  return day;
}

// What is taken back by the same group was never there; all else is taken back before something begins.
void TaskGroup::begin_jobs(const WriteBatch& batch) {
  for (const auto& begun : batch.begun) {
    begun_.push_back(begun);
    largest_ = std::max(largest_, begun.job.task);
  }
  for (const JobKey& job : batch.unbegun) {
    const auto same =
        std::find_if(begun_.begin(), begun_.end(), [&](const auto& begun) { return begun.job == job; });
    if (same != begun_.end()) {
      begun_.erase(same);
    } else {
      unbegun_.push_back(job.packed());
    }
  }
}

void TaskGroup::add_to(Unit& unit, const ShardMap& map) {
  for (const auto& [day, all] : by_day_)
    if (!all.accepted.empty()) add_accepted(unit, day, all.accepted);
  add_begun(unit);
  for (const auto& [day, all] : by_day_)
    if (!all.ended.empty()) add_ended(unit, day, all.ended);
  for (const auto& [day, all] : by_day_)
    if (!all.finished.empty()) add_finished(unit, day, all.finished);
  audit_.add_to(unit, *days_);
  if (largest_ != 0) add_stock(unit);
  // Last, so that what other nodes wait for is theirs soon; and in the same order on all nodes.
  if (parted_) add_parted(unit);
  if (!elsewhere_.empty()) add_elsewhere(unit, map);
}

void TaskGroup::add_stock(Unit& unit) const {
  std::map<std::int32_t, std::int64_t> jobs;
  for (const auto& [day, all] : by_day_)
    for (const Task* task : all.accepted) jobs[day] += static_cast<std::int64_t>(task->targets.size());
  if (jobs.empty()) jobs[0] = 0;
  for (const auto& [day, count] : jobs) {
    Params params;
    params.add_int4(day).add(count).add(largest_);
    unit.add(kStock, std::move(params));
  }
}

void TaskGroup::add_accepted(Unit& unit, std::int32_t day, const std::vector<const Task*>& tasks) {
  std::vector<std::int64_t> seq, project, created, deadline, timeout;
  std::vector<std::int32_t> jobs;
  std::vector<std::string> joined;
  Bytes id, command, targets;
  joined.reserve(tasks.size());
  for (const Task* task : tasks) {
    seq.push_back(task->seq);
    project.push_back(task->project);
    created.push_back(task->created_ms);
    jobs.push_back(static_cast<std::int32_t>(task->targets.size()));
    deadline.push_back(task->start_deadline_s);
    timeout.push_back(task->run_timeout_s);
    id.emplace_back(id_key(task->id));
    command.emplace_back(task->command);
    targets.emplace_back(joined.emplace_back(join(task->targets)));
  }
  Params open;
  open.add(seq).add_int4(day).add_int4s(jobs);
  Params params;
  params.add(seq).add(project).add(created).add_int4s(jobs).add(deadline).add(timeout);
  params.add_bytes(id).add_bytes(command).add_bytes(targets);
  unit.add(days_->tasks(day).add_tasks, std::move(params));
  unit.add(kAddOpen, std::move(open));
}

void TaskGroup::add_begun(Unit& unit) {
  if (!unbegun_.empty()) {
    Params params;
    params.add(unbegun_);
    unit.add(kRemoveBegun, std::move(params));
  }
  if (begun_.empty()) return;
  std::vector<std::int64_t> job, at;
  for (const auto& begun : begun_) {
    job.push_back(begun.job.packed());
    at.push_back(begun.at_ms);
  }
  Params params;
  params.add(job).add(at);
  unit.add(kAddBegun, std::move(params));
}

void TaskGroup::add_ended(Unit& unit, std::int32_t day, const std::vector<const WriteBatch::Ended*>& all) {
  std::vector<std::int64_t> big[9];
  std::vector<std::int32_t> small[3];
  Bytes bytes[4];
  for (const WriteBatch::Ended* ended : all) {
    const JobOutcome& job = ended->outcome;
    std::size_t column = 0;
    for (const std::int64_t value :
         {ended->job.packed(), job.begun_ms, job.ended_ms, static_cast<std::int64_t>(job.out.omitted),
          static_cast<std::int64_t>(job.out.omitted_at), static_cast<std::int64_t>(job.err.omitted),
          static_cast<std::int64_t>(job.err.omitted_at), static_cast<std::int64_t>(job.output_bytes),
          static_cast<std::int64_t>(job.output_hash)})
      big[column++].push_back(value);
    small[0].push_back(static_cast<std::int32_t>(job.state));
    small[1].push_back(static_cast<std::int32_t>(job.error));
    small[2].push_back(job.exit_code);
    bytes[0].emplace_back(job.message);
    bytes[1].emplace_back(job.shown);
    bytes[2].push_back(unless_shown(job.out, job));
    bytes[3].push_back(unless_shown(job.err, job));
  }
  Params params;
  for (const auto& column : big) params.add(column);
  for (const auto& column : small) params.add_int4s(column);
  for (const auto& column : bytes) params.add_bytes(column);
  unit.add(days_->tasks(day).add_results, std::move(params));
}

void TaskGroup::add_finished(Unit& unit, std::int32_t day,
                             const std::vector<const WriteBatch::Finished*>& all) {
  std::vector<std::int64_t> task, at;
  for (const auto* finished : all) {
    task.push_back(finished->task);
    at.push_back(finished->at_ms);
  }
  Params params;
  params.add(task).add(at).add(static_cast<std::int64_t>(task.size()));
  unit.add(days_->tasks(day).finish, std::move(params));
  Params closed;
  closed.add(task);
  unit.add(kRemoveOpen, std::move(closed));
  Params begun;
  begun.add(task);
  unit.add(kRemoveBegunOf, std::move(begun));
}

void TaskGroup::add_parted(Unit& unit) {
  std::vector<std::int64_t> locked;
  for (const auto& [day, all] : by_day_)
    for (const auto* parted : all.parted) locked.push_back(parted->task);
  Params params;
  params.add(locked);
  unit.add(kLockOpen, std::move(params));
  for (const auto& [day, all] : by_day_) {
    if (all.parted.empty()) continue;
    // Of several batches one may name a task again, which has got jobs of others meanwhile.
    std::map<std::int64_t, std::int64_t> each;
    for (const auto* parted : all.parted) each[parted->task] = parted->at_ms;
    std::vector<std::int64_t> task, at;
    for (const auto& [seq, at_ms] : each) {
      task.push_back(seq);
      at.push_back(at_ms);
    }
    Params finish;
    finish.add(task).add(at);
    unit.add(days_->tasks(day).finish_parted, std::move(finish));
  }
}

void TaskGroup::add_elsewhere(Unit& unit, const ShardMap& map) {
  std::vector<std::int64_t> nodes, tasks;
  for (const auto& [task, shards] : elsewhere_) {
    for (const std::int64_t node : map.owners_of(shards)) {
      nodes.push_back(node);
      tasks.push_back(task);
    }
  }
  Params params;
  params.add(map.version).add(nodes).add(tasks);
  unit.add(kSendTasks, std::move(params));
}

void TaskGroup::failed() {
  for (const std::int64_t task : opened_) days_->close(task);
}

void TaskGroup::committed() {
  for (const auto& [task, shards] : elsewhere_) days_->close(task);
  for (const auto& [day, all] : by_day_)
    for (const auto* all_of : {&all.finished, &all.parted})
      for (const auto* over : *all_of) days_->close(over->task);
}

void add_delete_old(Unit& unit, std::int64_t epoch, const Retention& retention, std::int32_t today) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  Params params;
  params.add(epoch).add(retention.finished_before_ms);
  params.add(static_cast<std::int64_t>(std::min(retention.max_jobs, kMost)));
  params.add(retention.audit_before_ms).add_int4(today);
  unit.add(kDeleteOld, std::move(params));
}

}  // namespace drover::store::postgres
