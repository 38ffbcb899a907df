#include "store/sqlite/database.h"

#include <sqlite3.h>

#include "store/errc.h"

namespace drover::store::sqlite {
namespace {

constexpr int kBusyMs = 5'000;
constexpr int kCopyPages = 256;  // copied between two questions whether to go on: 1 MiB

// Called by SQLite after each commit. Having a hook of our own also switches its own checkpoints off.
int keep_log_pages(void* to, sqlite3*, const char*, int pages) {
  *static_cast<int*>(to) = pages;
  return SQLITE_OK;
}

// Counting every allocation under one global lock costs several percent, and nobody asks for the count.
void switch_off_statistics() {
  static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)once;
}

std::error_code code_of(int primary) {
  switch (primary) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::kCorrupt;
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
      return std::make_error_code(std::errc::invalid_argument);
    default:
      return Errc::kUnavailable;
  }
}

Failure failure_of(sqlite3* db) {
  const int code = sqlite3_extended_errcode(db);
  const int primary = code & 0xff;
  std::string detail = sqlite3_errmsg(db);
  detail += " (SQLite " + std::to_string(code);
  // What an I/O error was about is known to the operating system only.
  if (const int system = sqlite3_system_errno(db);
      system != 0 && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN)) {
    detail += ", " + std::generic_category().message(system);
  }
  detail += ')';
  return failure(code_of(primary), detail);
}

// A path in which nothing means anything to SQLite's reader of URIs.
std::string uri_of(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      uri += c == '%' ? "%25" : c == '?' ? "%3f" : "%23";
    } else {
      uri += c;
    }
  }
  return uri;
}

// A null pointer would be taken for NULL.
const char* data_of(std::string_view bytes) { return bytes.data() != nullptr ? bytes.data() : ""; }

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Result<bool> Statement::step() {
  if (bind_failure_ != 0) {
    bind_failure_ = 0;
    auto failed = failure_of(sqlite3_db_handle(statement_.get()));
    reset();
    return failed;
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  auto failed = failure_of(sqlite3_db_handle(statement_.get()));
  reset();
  return failed;
}

Result<> Statement::run() {
  auto row = step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (*row) reset();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view Statement::bytes(int column) const {
  // The order matters: the first call settles the form whose size the second one gives.
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Statement::bind_integer(int at, std::int64_t value) {
  keep(sqlite3_bind_int64(statement_.get(), at, value));
}

void Statement::bind_one(int at, std::string_view text) {
  keep(sqlite3_bind_text64(statement_.get(), at, data_of(text), text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::bind_one(int at, Blob blob) {
  keep(sqlite3_bind_blob64(statement_.get(), at, data_of(blob.bytes), blob.bytes.size(), SQLITE_STATIC));
}

void Statement::bind_null(int at) { keep(sqlite3_bind_null(statement_.get(), at)); }

void Statement::keep(int code) {
  if (code != SQLITE_OK && bind_failure_ == 0) bind_failure_ = code;
}

void Database::Close::operator()(sqlite3* db) const { sqlite3_close_v2(db); }

Result<Database> Database::open(const std::string& path, Access access) {
  switch_off_statistics();
  Database database;
  sqlite3* db = nullptr;
  // No mutex: the owner keeps to one thread at a time.
  const int flags = SQLITE_OPEN_NOMUTEX |
                    (access == Access::kReadWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                    (access == Access::kReadAlone ? SQLITE_OPEN_URI : 0);
  const std::string name = access == Access::kReadAlone ? uri_of(path) + "?immutable=1" : path;
  const int code = sqlite3_open_v2(name.c_str(), &db, flags, nullptr);
  database.db_.reset(db);
  if (code != SQLITE_OK) return failure_of(db);
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyMs);
  sqlite3_wal_hook(db, keep_log_pages, database.log_pages_.get());
  // Damaged pages are then found when they are first read, and not when something has been read from them.
  sqlite3_exec(db, "PRAGMA cell_size_check = ON", nullptr, nullptr, nullptr);
  return database;
}

Result<> Database::run(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure_of(db_.get());
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return failure_of(db_.get());
  return Statement(statement);
}

Result<> Database::prepare(std::initializer_list<std::pair<Statement*, std::string_view>> statements) {
  for (const auto& [place, sql] : statements) {
    auto statement = prepare(sql);
    if (!statement) return tl::make_unexpected(std::move(statement.error()));
    *place = std::move(*statement);
  }
  return {};
}

Result<std::int64_t> Database::integer(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return tl::make_unexpected(std::move(statement.error()));
  auto row = statement->step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  return *row ? statement->integer(0) : 0;
}

Result<int> Database::checkpoint() {
  int pages = 0;
  int done = 0;
  const int code = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &done);
  if (code != SQLITE_OK) return failure_of(db_.get());
  return done;
}

Result<> Database::copy_from(Database& source, const GoOn& go_on) {
  sqlite3_backup* const copy = sqlite3_backup_init(db_.get(), "main", source.db_.get(), "main");
  if (copy == nullptr) return failure_of(db_.get());
  bool wanted = true;
  int code = SQLITE_OK;
  while (wanted && (code = sqlite3_backup_step(copy, kCopyPages)) == SQLITE_OK) {
    wanted =
        go_on(static_cast<std::uint64_t>(sqlite3_backup_pagecount(copy) - sqlite3_backup_remaining(copy)));
  }
  const int finished = sqlite3_backup_finish(copy);  // says nothing of a database that was busy
  if (!wanted) return failure(std::make_error_code(std::errc::operation_canceled));
  if (code != SQLITE_DONE || finished != SQLITE_OK) return failure_of(db_.get());
  return {};
}

void Database::interrupt() { sqlite3_interrupt(db_.get()); }

std::int64_t Database::changes() const { return sqlite3_changes64(db_.get()); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }

std::int64_t Database::total_changes() const { return sqlite3_total_changes64(db_.get()); }

}  // namespace drover::store::sqlite
