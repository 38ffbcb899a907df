// The floor of accepting tasks: bare SQLite, the same rows, one durable transaction a task, no server around
// it.
//
//   c++ -O2 -std=c++20 bench/sqlite_floor.cc -lsqlite3 -o sqlite_floor
//   sqlite_floor DIR TASKS             the rows that Drover's store writes when it accepts a task of 100 jobs
//   sqlite_floor DIR TASKS --per-job   the layout with a row for each job from the start
//
// Prints tasks a second and the CPU time of each. The tables are those of src/store/sqlite/schema.cc.
#include <sqlite3.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int kJobs = 100;

constexpr const char* kSettings =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA secure_delete = FAST;"
    "PRAGMA cache_size = -32768;"
    "PRAGMA wal_autocheckpoint = 4000;"
    "PRAGMA journal_size_limit = 67108864";

constexpr const char* kTables =
    "CREATE TABLE task(seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, project INTEGER NOT NULL,"
    "  jobs INTEGER NOT NULL, created_ms INTEGER NOT NULL, start_deadline_s INTEGER NOT NULL,"
    "  run_timeout_s INTEGER NOT NULL, command TEXT NOT NULL, targets TEXT NOT NULL) STRICT;"
    "CREATE INDEX task_by_project ON task(project);"
    "CREATE TABLE unfinished(task INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE job(job INTEGER PRIMARY KEY, target TEXT NOT NULL, state INTEGER NOT NULL) STRICT";

void check(int code, sqlite3* db) {
  if (code == SQLITE_OK || code == SQLITE_DONE) return;
  std::fprintf(stderr, "sqlite_floor: %s\n", sqlite3_errmsg(db));
  std::exit(1);
}

// Statements and what they insert.
class Floor {
 public:
  explicit Floor(const std::string& path) {
    check(sqlite3_open_v2(path.c_str(), &db_,
                          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr),
          db_);
    run(kSettings);
    run(kTables);
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
    add_task_ = prepare("INSERT INTO task VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    add_unfinished_ = prepare("INSERT INTO unfinished VALUES(?1)");
    add_job_ = prepare("INSERT INTO job VALUES(?1, ?2, 0)");
    for (int i = 0; i < kJobs; ++i) {
      targets_[i] = "phone-" + std::to_string(100'000 + i);
      joined_ += (i > 0 ? "\n" : "") + targets_[i];
    }
  }
  ~Floor() {
    for (sqlite3_stmt* each : {begin_, commit_, add_task_, add_unfinished_, add_job_}) sqlite3_finalize(each);
    sqlite3_close(db_);
  }
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;

  void accept(std::int64_t seq, bool per_job) {
    step(begin_);
    add_task(seq, per_job ? std::string() : joined_);
    sqlite3_bind_int64(add_unfinished_, 1, seq);
    step(add_unfinished_);
    for (int i = 0; per_job && i < kJobs; ++i) {
      sqlite3_bind_int64(add_job_, 1, (seq << 20) + i);
      sqlite3_bind_text(add_job_, 2, targets_[i].data(), static_cast<int>(targets_[i].size()), SQLITE_STATIC);
      step(add_job_);
    }
    step(commit_);
  }

 private:
  void run(const char* sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), db_); }

  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr), db_);
    return statement;
  }

  void step(sqlite3_stmt* statement) {
    check(sqlite3_step(statement), db_);
    sqlite3_reset(statement);
  }

  void add_task(std::int64_t seq, const std::string& targets) {
    // As ids are: the time in front, which rises, and then what is random.
    unsigned char id[12];
    for (int i = 0; i < 6; ++i) id[i] = static_cast<unsigned char>(seq >> (8 * (5 - i)));
    for (int i = 6; i < 12; ++i)
      id[i] = static_cast<unsigned char>(seq * 0x9E3779B97F4A7C15ULL >> (8 * (i - 6)));
    sqlite3_bind_int64(add_task_, 1, seq);
    sqlite3_bind_blob(add_task_, 2, id, sizeof id, SQLITE_STATIC);
    sqlite3_bind_int64(add_task_, 3, 1);
    sqlite3_bind_int64(add_task_, 4, kJobs);
    sqlite3_bind_int64(add_task_, 5, 1'700'000'000'000 + seq);
    sqlite3_bind_int64(add_task_, 6, 600);
    sqlite3_bind_int64(add_task_, 7, 60);
    sqlite3_bind_text(add_task_, 8, "getprop ro.build.version.release", -1, SQLITE_STATIC);
    sqlite3_bind_text(add_task_, 9, targets.data(), static_cast<int>(targets.size()), SQLITE_STATIC);
    step(add_task_);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  sqlite3_stmt* add_task_ = nullptr;
  sqlite3_stmt* add_unfinished_ = nullptr;
  sqlite3_stmt* add_job_ = nullptr;
  std::string targets_[kJobs];
  std::string joined_;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  const bool per_job = argc == 4 && std::strcmp(argv[3], "--per-job") == 0;
  const long tasks = argc >= 3 ? std::strtol(argv[2], nullptr, 10) : 0;
  if (tasks <= 0 || (argc != 3 && !per_job)) {
    std::fprintf(stderr, "usage: sqlite_floor DIR TASKS [--per-job]\n");
    return 2;
  }
  const std::string path = std::string(argv[1]) + "/sqlite_floor.db";
  const auto remove_files = [&] {
    for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path + suffix).c_str());
  };
  remove_files();
  {
    Floor floor(path);
    const double cpu_before = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    for (long seq = 1; seq <= tasks; ++seq) floor.accept(seq, per_job);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const double cpu = cpu_seconds() - cpu_before;
    std::printf("%.0f tasks/s, %.0f jobs/s, %.1f us CPU a task (%s)\n",
                static_cast<double>(tasks) / took.count(), static_cast<double>(tasks * kJobs) / took.count(),
                cpu * 1e6 / static_cast<double>(tasks),
                per_job ? "a row for each job" : "targets in the task's row");
  }
  remove_files();
}
