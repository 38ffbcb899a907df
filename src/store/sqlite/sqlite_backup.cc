#include "store/sqlite/sqlite_backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/descriptor.h"
#include "store/errc.h"
#include "store/sqlite/database.h"
#include "store/sqlite/keys.h"
#include "store/sqlite/schema.h"

namespace drover::store {
namespace {

using sqlite::Database;

// Written between two syncs. Without these the system writes all of the copy at once, and a server that syncs
// its log on the same disk waits for that. After each, the disk is the server's for as long as it took.
constexpr std::uint64_t kSyncBytes = 4'194'304;

constexpr Millis kAskPause{100};

// Far more tasks than are accepted until the copy is used, and far fewer than there are numbers.
constexpr std::int64_t kSkippedNumbers = std::int64_t{1} << 32;

// Every job without an end has begun, as far as the copy knows.
constexpr char kBeginOpenJobs[] =
    "INSERT OR IGNORE INTO begun "
    "WITH RECURSIVE job(task, place, jobs) AS ("
    " SELECT seq, 0, jobs FROM unfinished JOIN task ON seq = task WHERE jobs BETWEEN 1 AND 1048576"
    " UNION ALL SELECT task, place + 1, jobs FROM job WHERE place + 1 < jobs) "
    "SELECT (task << 20) + place, ?1 FROM job"
    " WHERE NOT EXISTS (SELECT 1 FROM result WHERE result.job = (task << 20) + place)";

constexpr char kCountOpenJobs[] =
    "SELECT count(*) FROM unfinished u JOIN begun b ON b.job BETWEEN u.task << 20 AND (u.task << 20) + "
    "1048575"
    " WHERE NOT EXISTS (SELECT 1 FROM result WHERE result.job = b.job)";
static_assert(JobKey::kMaxJobs == 1 << 20);

// Asks whether to go on while a long statement of `db` runs, and ends it if not.
class Watch {
 public:
  Watch(Database& db, std::function<bool()> go_on)
      : thread_([this, &db, go_on = std::move(go_on)](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          while (!wake_.wait_for(lock, stop, kAskPause, [&stop] { return stop.stop_requested(); })) {
            if (!go_on()) db.interrupt();
          }
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

// One copy under way.
class Backup {
 public:
  Backup(std::string to, const BackupProgress& progress) : to_(std::move(to)), progress_(progress) {}

  Result<BackupReport> run(const std::string& from) {
    auto source = open_source(from);
    if (!source) return Failure(std::move(source.error()));
    // Until the copy is closed: closing a descriptor drops all locks that SQLite has on its file.
    const Descriptor file(::open(to_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.is_open()) return system_failure();
    fd_ = file.get();
    auto done = copy(*source);
    if (done && ::fsync(fd_) != 0) done = system_failure();
    if (!done) return Failure(std::move(done.error()));
    return report_;
  }

 private:
  Failure system_failure() const {
    return failure(Errc::kUnavailable, to_ + ": " + std::generic_category().message(errno));
  }

  // With a transaction that holds the moment.
  static Result<Database> open_source(const std::string& from) {
    auto source = Database::open(from, Database::Access::kRead);
    if (!source) return source;
    Result<> done = sqlite::check_version(*source);
    if (done) done = source->run("BEGIN; SELECT count(*) FROM sqlite_schema");
    if (!done) return Failure(std::move(done.error()));
    return source;
  }

  Result<> copy(Database& source) {
    auto db = Database::open(to_);
    if (!db) return Failure(std::move(db.error()));
    return db->run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE")
        .and_then([&] { return copy_pages(source, *db); })
        // One file in the end: no log beside it.
        .and_then([&] { return db->run("PRAGMA journal_mode = DELETE; PRAGMA journal_mode = MEMORY"); })
        .and_then([&] { return close_open_jobs(*db); })
        .and_then([&] { return verify(*db); });
  }

  Result<> copy_pages(Database& source, Database& db) {
    const auto page_size = source.integer("PRAGMA page_size");
    if (!page_size) return Failure(page_size.error());
    const auto pages = source.integer("PRAGMA page_count");
    if (!pages) return Failure(pages.error());
    report_.bytes = static_cast<std::uint64_t>(*pages * *page_size);
    std::uint64_t synced = 0;
    SteadyTime begun = std::chrono::steady_clock::now();
    return db.copy_from(source, [&](std::uint64_t done) {
      const std::uint64_t copied = done * static_cast<std::uint64_t>(*page_size);
      if (copied - synced >= kSyncBytes) {
        synced = copied;
        (void)::fdatasync(fd_);  // the one at the end tells
        std::this_thread::sleep_for(std::chrono::steady_clock::now() - begun);
        begun = std::chrono::steady_clock::now();
      }
      return progress_(copied, report_.bytes);
    });
  }

  Result<> close_open_jobs(Database& db) {
    auto begin = db.prepare(kBeginOpenJobs);
    if (!begin) return Failure(std::move(begin.error()));
    const std::string skip = "UPDATE deleted SET last_task = (" + std::string(sqlite::kLastTask) + ") + " +
                             std::to_string(kSkippedNumbers);
    // Likewise of users and of the audit log.
    const std::string skip_more =
        "INSERT INTO sqlite_sequence SELECT column1, 0 FROM (VALUES('user'), ('audit'))"
        " WHERE column1 NOT IN (SELECT name FROM sqlite_sequence);"
        "UPDATE sqlite_sequence SET seq = seq + " +
        std::to_string(kSkippedNumbers) + " WHERE name IN ('user', 'audit')";
    auto done = db.run("BEGIN")
                    .and_then([&] { return begin->bind(Clock().unix_ms()).run(); })
                    .and_then([&] { return db.run(skip.c_str()); })
                    .and_then([&] { return db.run(skip_more.c_str()); })
                    .and_then([&] { return db.run("COMMIT"); });
    if (!done) return done;
    return count(db, kCountOpenJobs, report_.open_jobs).and_then([&] {
      return count(db, "SELECT count(*) FROM task", report_.tasks);
    });
  }

  static Result<> count(Database& db, const char* sql, std::int64_t& into) {
    const auto rows = db.integer(sql);
    if (!rows) return Failure(rows.error());
    into = *rows;
    return {};
  }

  Result<> verify(Database& db) {
    auto check = db.prepare("PRAGMA quick_check(1)");
    if (!check) return Failure(std::move(check.error()));
    bool wanted = true;
    Result<bool> row = false;
    {
      const Watch watch(db, [&] { return wanted = progress_(report_.bytes, report_.bytes); });
      row = check->step();
    }
    if (!wanted) return failure(std::make_error_code(std::errc::operation_canceled));
    if (!row) return Failure(std::move(row.error()));
    if (check->bytes(0) != "ok") return failure(Errc::kCorrupt, check->bytes(0));
    return {};
  }

  const std::string to_;
  const BackupProgress& progress_;
  BackupReport report_;
  int fd_ = -1;
};

}  // namespace

Result<BackupReport> back_up_sqlite(const std::string& from, const std::string& to,
                                    const BackupProgress& progress) {
  return Backup(to, progress).run(from);
}

}  // namespace drover::store
