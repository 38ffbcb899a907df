#include "store/postgres/days.h"

#include <array>

#include "store/postgres/audit_watermark.h"

namespace drover::store::postgres {
namespace {

// `sql` with the day in place of each @.
std::string of_day(std::string_view sql, const std::string& day) {
  std::string text;
  for (const char c : sql) {
    if (c == '@') {
      text += day;
    } else {
      text += c;
    }
  }
  return text;
}

// A task's jobs are one range of keys.
#define DROVER_JOBS_OF(task) task " * 1048576 AND " task " * 1048576 + 1048575"

const std::string kAddTasks =
    "INSERT INTO drover.task_@(seq, project, created_ms, day, jobs, start_deadline_s, run_timeout_s, id,"
    " command, targets) SELECT a, b, c, @, d, e, f, g, h, i"
    " FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int4[], $5::int8[], $6::int8[], $7::bytea[],"
    " $8::bytea[], $9::bytea[]) AS row(a, b, c, d, e, f, g, h, i)";

const std::string kAddResults =
    "INSERT INTO drover.result_@(job, begun_ms, ended_ms, out_omitted, out_omitted_at, err_omitted,"
    " err_omitted_at, output_bytes, output_hash, day, state, error, exit_code, message, shown, out, err)"
    " SELECT a, b, c, d, e, f, g, h, i, @, j, k, l, m, n, o, p"
    " FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[],"
    " $8::int8[], $9::int8[], $10::int4[], $11::int4[], $12::int4[], $13::bytea[], $14::bytea[],"
    " $15::bytea[], $16::bytea[]) AS row(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)";

// Tasks whose jobs have not all ended are left out, and then there are fewer rows than wanted.
const std::string kFinish =
    std::string("WITH done AS (INSERT INTO drover.finished_@(task, at_ms, day, jobs, succeeded, failed, lost,"
                " cancelled) SELECT n.task, n.at_ms, @, t.jobs, c.succeeded, c.failed, c.lost, c.cancelled"
                " FROM unnest($1::int8[], $2::int8[]) AS n(task, at_ms)"
                " JOIN drover.task_@ t ON t.seq = n.task"
                " CROSS JOIN LATERAL (SELECT count(*) AS all_jobs, ") +
    kCountsByState + " FROM drover.result_@ r WHERE r.job BETWEEN " DROVER_JOBS_OF("n.task") ") c"
    " WHERE c.all_jobs = t.jobs RETURNING 1)"
    " SELECT drover.require_finished(count(*), $3) FROM done";

// Those that are not over are left alone. A statement of its own, after their rows are locked, so that it
// sees what another node has stored until then.
const std::string kFinishParted =
    std::string("WITH done AS (INSERT INTO drover.finished_@(task, at_ms, day, jobs, succeeded, failed, lost,"
                " cancelled) SELECT n.task, n.at_ms, @, t.jobs, c.succeeded, c.failed, c.lost, c.cancelled"
                " FROM unnest($1::int8[], $2::int8[]) AS n(task, at_ms)"
                " JOIN drover.open_task o ON o.seq = n.task"
                " JOIN drover.task_@ t ON t.seq = n.task"
                " CROSS JOIN LATERAL (SELECT count(*) AS all_jobs, ") +
    kCountsByState + " FROM drover.result_@ r WHERE r.job BETWEEN " DROVER_JOBS_OF("n.task") ") c"
    " WHERE c.all_jobs = t.jobs RETURNING task),"
    " closed AS (DELETE FROM drover.open_task o USING done WHERE o.seq = done.task),"
    " begun AS (DELETE FROM drover.begun b USING done WHERE b.job BETWEEN " DROVER_JOBS_OF("done.task") ")"
    " SELECT task FROM done";

const std::string kReadTask =
    std::string("SELECT ") + kTaskColumns +
    ", t.targets FROM drover.task_@ t LEFT JOIN drover.finished_@ f ON f.task = t.seq WHERE t.id = $1";
const std::string kReadOutcomes =
    std::string("SELECT ") + kOutcomeColumns +
    " FROM drover.task_@ t JOIN drover.result_@ r ON r.job BETWEEN " DROVER_JOBS_OF(
        "t.seq") " WHERE t.id = $1";
const std::string kReadBegun =
    "SELECT b.job, b.at_ms FROM drover.task_@ t JOIN drover.begun b"
    " ON b.job BETWEEN " DROVER_JOBS_OF("t.seq") " WHERE t.id = $1";
const std::string kReadJob =
    std::string("SELECT ") + kOutcomeColumns +
    ", r.out_omitted, r.out_omitted_at, r.out, r.err_omitted, r.err_omitted_at, r.err"
    " FROM drover.task_@ t JOIN drover.result_@ r ON r.job = t.seq * 1048576 + $2"
    " WHERE t.id = $1";
const std::string kOpenTasks =
    std::string("SELECT ") + kTaskColumns +
    ", t.targets FROM unnest($1::int8[]) AS u(seq) JOIN drover.task_@ t ON t.seq = u.seq"
    " LEFT JOIN drover.finished_@ f ON f.task = t.seq ORDER BY t.seq";
const std::string kOpenOutcomes =
    std::string("SELECT ") + kOutcomeColumns +
    " FROM unnest($1::int8[]) AS u(seq) JOIN drover.result_@ r ON r.job BETWEEN " DROVER_JOBS_OF(
        "u.seq") " ORDER BY r.job";

const std::string kAddAudit =
    std::string(
        "INSERT INTO drover.audit_@(seq, at_ms, project, day, status, actor, address, request_id, action, "
        "subject,"
        " message, instances) SELECT nextval('drover.audit_seq'), a, b, @, c, d, e, f, g, h, i, j"
        " FROM unnest($1::int8[], $2::int8[], $3::int4[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[],"
        " $8::bytea[], $9::bytea[], $10::bytea[]) AS row(a, b, c, d, e, f, g, h, i, j) WHERE ") +
    kAuditMark;

}  // namespace

DayStatements::DayStatements(std::int32_t day) {
  const std::string text = std::to_string(day);
  std::size_t at = 0;
  const auto make = [&](Statement& into, const char* name, const std::string& sql) {
    names_[at] = name + text;
    into = {names_[at].c_str(), of_day(sql, text)};
    ++at;
  };
  make(add_tasks, "add_tasks_", kAddTasks);
  make(add_results, "add_results_", kAddResults);
  make(finish, "finish_", kFinish);
  make(finish_parted, "finish_parted_", kFinishParted);
  make(read_task, "read_task_", kReadTask);
  make(read_outcomes, "read_outcomes_", kReadOutcomes);
  make(read_begun, "read_begun_", kReadBegun);
  make(read_job, "read_job_", kReadJob);
  make(open_tasks, "open_tasks_", kOpenTasks);
  make(open_outcomes, "open_outcomes_", kOpenOutcomes);
}

const DayStatements& Days::tasks(std::int32_t day) {
  auto& one = tasks_[day];
  if (!one) one = std::make_unique<DayStatements>(day);
  return *one;
}

const Statement& Days::add_audit(std::int32_t day) {
  auto& one = audit_[day];
  if (!one) {
    const std::string text = std::to_string(day);
    one = std::make_unique<AuditStatement>();
    one->name = "add_audit_" + text;
    one->add = {one->name.c_str(), of_day(kAddAudit, text)};
  }
  return one->add;
}

std::optional<std::int32_t> Days::day_of(std::int64_t task) const {
  const auto found = open_.find(task);
  if (found == open_.end()) return std::nullopt;
  return found->second;
}

}  // namespace drover::store::postgres
