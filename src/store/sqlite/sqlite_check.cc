#include "store/sqlite/sqlite_check.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "store/errc.h"
#include "store/file_lock.h"
#include "store/sqlite/database.h"
#include "store/sqlite/identities.h"
#include "store/sqlite/keys.h"
#include "store/sqlite/schema.h"

namespace drover::store {
namespace {

using sqlite::Database;

constexpr std::uint64_t kLongLog = std::uint64_t{256} << 20;
constexpr std::int64_t kClockSlack = 60'000;
constexpr std::size_t kShownProblems = 10;

// Rows that contradict each other. Each query counts them.
struct Contradiction {
  Verdict verdict;
  const char* what;
  const char* sql;
};

constexpr std::array kContradictions = {
    Contradiction{Verdict::kFailure, "unfinished tasks are not there",
                  "SELECT count(*) FROM unfinished WHERE task NOT IN (SELECT seq FROM task)"},
    Contradiction{Verdict::kFailure, "tasks are neither finished nor unfinished: they will never end",
                  "SELECT count(*) FROM task WHERE seq NOT IN (SELECT task FROM unfinished)"
                  " AND seq NOT IN (SELECT task FROM finished)"},
    Contradiction{Verdict::kFailure, "tasks are both finished and unfinished",
                  "SELECT count(*) FROM unfinished WHERE task IN (SELECT task FROM finished)"},
    Contradiction{Verdict::kFailure, "finished tasks lack results, or have other counts than these",
                  "SELECT count(*) FROM finished f JOIN task t ON t.seq = f.task WHERE f.jobs <> t.jobs"
                  " OR f.jobs <> f.succeeded + f.failed + f.lost + f.cancelled OR f.jobs <>"
                  " (SELECT count(*) FROM result WHERE job BETWEEN t.seq << 20 AND (t.seq << 20) + 1048575)"},
    Contradiction{Verdict::kFailure, "tasks have other numbers of instances and jobs",
                  "SELECT count(*) FROM task WHERE jobs <> iif(targets = '' AND jobs = 0, 0,"
                  " length(targets) - length(replace(targets, char(10), '')) + 1)"},
    Contradiction{
        Verdict::kFailure, "results say what no job can end as",
        "SELECT count(*) FROM result WHERE state NOT BETWEEN 2 AND 5 OR error NOT BETWEEN 0 AND 10"},
    Contradiction{Verdict::kWarning, "results belong to no task: they only take space",
                  "SELECT count(*) FROM result WHERE job >> 20 NOT IN (SELECT seq FROM task)"
                  " AND job >> 20 NOT IN (SELECT task FROM finished)"},
    Contradiction{Verdict::kWarning, "beginnings belong to no unfinished task: they only take space",
                  "SELECT count(*) FROM begun WHERE job >> 20 NOT IN (SELECT task FROM unfinished)"},
    Contradiction{Verdict::kWarning, "instances, tokens or grants belong to no project: nobody can use them",
                  "SELECT (SELECT count(*) FROM instance WHERE project NOT IN (SELECT seq FROM project)) +"
                  " (SELECT count(*) FROM token WHERE project NOT IN (SELECT seq FROM project)) +"
                  " (SELECT count(*) FROM role_grant WHERE project <> 0 AND project NOT IN"
                  " (SELECT seq FROM project))"},
    Contradiction{Verdict::kWarning, "grants or access keys belong to no user: nobody can use them",
                  "SELECT (SELECT count(*) FROM role_grant WHERE user NOT IN (SELECT seq FROM user)) +"
                  " (SELECT count(*) FROM access_key WHERE user NOT IN (SELECT seq FROM user))"},
    Contradiction{Verdict::kWarning, "grants or tokens name a role that is not there: they allow nothing",
                  "WITH role(name) AS (VALUES('KooPhone Administrator'), ('KooPhone ReadOnlyUser')"
                  " UNION ALL SELECT name FROM policy)"
                  " SELECT (SELECT count(*) FROM role_grant WHERE policy NOT IN role) +"
                  " (SELECT count(*) FROM token WHERE policy NOT IN role)"},
    Contradiction{Verdict::kWarning,
                  "entries of the audit log stand under a wrong hour: a time does not find them",
                  "SELECT count(*) FROM audit WHERE at_ms / 3600000 IS NOT"
                  " (SELECT hour FROM audit_hour WHERE first <= seq ORDER BY first DESC LIMIT 1)"},
};
static_assert(JobKey::kMaxJobs == 1 << 20 && static_cast<int>(JobState::kSucceeded) == 2 &&
              static_cast<int>(JobState::kCancelled) == 5 && static_cast<int>(JobError::kInternal) == 10);

std::string advice(const std::string& path) {
  return how_to_go_on(std::filesystem::path(path).parent_path().string());
}

std::string megabytes(std::uint64_t bytes) { return std::to_string((bytes + 1'048'575) >> 20) + " MiB"; }

std::optional<std::uint64_t> size_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

// One look at one file.
class Check {
 public:
  Check(const SqliteCheckOptions& options, Database::Access access) : options_(options), access_(access) {}

  CheckReport run(CheckReport report) {
    report_ = std::move(report);
    if (open()) look();
    return std::move(report_);
  }

 private:
  bool open() {
    auto opened = Database::open(options_.path, access_);
    Result<> done = opened ? Result<>() : Failure(opened.error());
    if (done) {
      db_ = *std::move(opened);
      done = sqlite::check_version(db_);
    }
    if (!done) damaged("database", done.error());
    return done.has_value();
  }

  void look() {
    contents();
    integrity();
    // What contradicts what cannot be said of pages that cannot be read.
    if (report_.findings.back().verdict == Verdict::kOk) contradictions();
    clock();
    log();
  }

  void add(const char* check, Verdict verdict, std::string message, std::string advice = {}) {
    report_.findings.push_back({check, verdict, std::move(message), std::move(advice)});
  }

  void damaged(const char* check, const Error& error) {
    add(check, Verdict::kFailure, error.message, error.code == Errc::kCorrupt ? advice(options_.path) : "");
  }

  // Counts what there is.
  void contents() {
    const auto tasks = db_.integer("SELECT count(*) FROM task");
    const auto open = db_.integer("SELECT count(*) FROM unfinished");
    const auto results = db_.integer("SELECT count(*) FROM result");
    const auto instances = db_.integer("SELECT count(*) FROM instance");
    const auto users = db_.integer("SELECT count(*) FROM user");
    const auto entries = db_.integer("SELECT count(*) FROM audit");
    for (const auto* count : {&tasks, &open, &results, &instances, &users, &entries}) {
      if (!*count) {
        damaged("database", count->error());
        return;
      }
    }
    report_.instances = *instances;
    auto identities = sqlite::read_identities(db_);
    if (!identities) {
      damaged("database", identities.error());
      return;
    }
    report_.identities = *std::move(identities);
    add("database", Verdict::kOk,
        "version " + std::to_string(sqlite::migrations().size()) + ", " +
            megabytes(size_of(options_.path).value_or(0)) + ": " + std::to_string(*instances) +
            " instances, " + std::to_string(*tasks) + " tasks of which " + std::to_string(*open) +
            " are not finished, " + std::to_string(*results) + " results, " + std::to_string(*users) +
            " users, " + std::to_string(*entries) + " entries of the audit log");
  }

  void integrity() {
    const char* const name = options_.full ? "integrity_check" : "quick_check";
    auto check = db_.prepare("PRAGMA " + std::string(name) + "(" + std::to_string(kShownProblems) + ")");
    if (!check) {
      damaged("integrity", check.error());
      return;
    }
    std::string problems;
    while (true) {
      const auto row = check->step();
      if (!row) {
        damaged("integrity", row.error());
        return;
      }
      if (!*row) break;
      if (check->bytes(0) == "ok") continue;
      problems.append(problems.empty() ? "" : "\n").append(check->bytes(0));
    }
    if (!problems.empty()) {
      add("integrity", Verdict::kFailure, "the file is damaged: " + problems, advice(options_.path));
    } else {
      add("integrity", Verdict::kOk, std::string(name) + " finds nothing wrong");
    }
  }

  void contradictions() {
    bool fine = true;
    bool failed = false;
    for (const Contradiction& each : kContradictions) {
      const auto rows = db_.integer(each.sql);
      if (!rows) {
        damaged("consistency", rows.error());
        return;
      }
      if (*rows == 0) continue;
      const bool first_failure = each.verdict == Verdict::kFailure && !failed;
      failed = failed || first_failure;
      fine = false;
      add("consistency", each.verdict, std::to_string(*rows) + " " + each.what,
          first_failure ? advice(options_.path) : "");
    }
    if (fine) add("consistency", Verdict::kOk, "tasks and results, users and roles agree");
  }

  // A wall clock that was set back makes new tasks look older than old ones, which retention goes by.
  void clock() {
    const auto newest = db_.integer(
        "SELECT max((SELECT ifnull(max(at_ms), 0) FROM finished),"
        " (SELECT ifnull(max(created_ms), 0) FROM task WHERE seq = (SELECT max(seq) FROM task)))");
    if (!newest) return;  // told by the check of the whole file
    if (*newest > options_.now_ms + kClockSlack) {
      add("clock", Verdict::kWarning,
          "the newest task is of " + format_utc(*newest) + ", and it is " + format_utc(options_.now_ms) +
              " now",
          "Set the clock right: what is old is not deleted meanwhile (\"Clocks\" in docs/operations.md).");
    } else {
      add("clock", Verdict::kOk, "it is " + format_utc(options_.now_ms));
    }
  }

  void log() {
    const std::uint64_t bytes = size_of(options_.path + "-wal").value_or(0);
    if (bytes <= kLongLog) return;
    add("log", Verdict::kWarning, "the write-ahead log has " + megabytes(bytes),
        "Something reads an old state of the database for long: a backup, or another program. When that "
        "ends, it\n"
        "starts over; a restart of the server also brings it back into the database.");
  }

  const SqliteCheckOptions& options_;
  const Database::Access access_;
  CheckReport report_;
  Database db_;
};

// Whether a server has the database open.
void look_for_server(const std::string& path, CheckReport& report) {
  const auto holder = FileLock::holder(path + ".lock");
  Finding finding{
      .check = "server", .verdict = Verdict::kOk, .message = "none is running here", .advice = {}};
  if (!holder) {
    finding.verdict = Verdict::kWarning;
    finding.message = holder.error().message;
  } else if (holder->held) {
    report.in_use = true;
    report.server = holder->pid;
    finding.message = "running";
    if (holder->pid != 0) finding.message += ", pid " + std::to_string(holder->pid);
  }
  report.findings.push_back(std::move(finding));
}

// What can be said without SQLite. True: it may open the file.
bool look_at_file(const std::string& path, CheckReport& report) {
  struct stat status {};
  Finding finding{.check = "database", .verdict = Verdict::kFailure, .message = {}, .advice = advice(path)};
  if (::lstat(path.c_str(), &status) != 0) {
    finding.message = path + ": " + std::generic_category().message(errno);
    if (errno == ENOENT && size_of(path + "-wal").value_or(0) == 0) {
      finding.verdict = Verdict::kWarning;
      finding.message = path + " is not there";
      finding.advice =
          "The first start of `drover serve` makes it. If there was one, put a backup in its place.";
    }
  } else if (!S_ISREG(status.st_mode)) {
    finding.message = path + " is not a regular file";
  } else if (status.st_size < sqlite::kSmallestFile) {
    finding.message = path + " is cut off: " + std::to_string(status.st_size) + " bytes";
  } else {
    return true;
  }
  report.findings.push_back(std::move(finding));
  return false;
}

}  // namespace

CheckReport check_sqlite(const SqliteCheckOptions& options) {
  CheckReport first;
  look_for_server(options.path, first);
  if (!look_at_file(options.path, first)) return first;
  const std::string log = options.path + "-wal";
  if (first.in_use || size_of(log)) return Check(options, Database::Access::kRead).run(std::move(first));
  CheckReport report = Check(options, Database::Access::kReadAlone).run(first);
  // A server that was started meanwhile has changed the file under our eyes.
  if (size_of(log)) return Check(options, Database::Access::kRead).run(std::move(first));
  return report;
}

}  // namespace drover::store
