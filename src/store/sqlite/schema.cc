#include "store/sqlite/schema.h"

#include <spdlog/spdlog.h>

#include <array>

#include "store/errc.h"

namespace drover::store::sqlite {
namespace {

constexpr const char* kVersion1 = R"sql(
CREATE TABLE project(
  seq INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  koophone_commands_only INTEGER NOT NULL,
  created_ms INTEGER NOT NULL) STRICT;

CREATE TABLE token(
  id TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  project INTEGER NOT NULL,
  role INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: the number of a removed instance is never given to another.
CREATE TABLE instance(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  project INTEGER NOT NULL,
  id TEXT NOT NULL,
  address TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  UNIQUE(project, id)) STRICT;

CREATE TABLE task(
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,  -- the first 12 bytes; the others are 0
  project INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  start_deadline_s INTEGER NOT NULL,
  run_timeout_s INTEGER NOT NULL,
  command TEXT NOT NULL,
  targets TEXT NOT NULL) STRICT;
CREATE INDEX task_by_project ON task(project);  -- and by seq, which every index ends with

CREATE TABLE unfinished(task INTEGER PRIMARY KEY) STRICT;

CREATE TABLE finished(
  task INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  jobs INTEGER NOT NULL,  -- results that are stored
  succeeded INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  cancelled INTEGER NOT NULL) STRICT;
CREATE INDEX finished_by_time ON finished(at_ms);

CREATE TABLE begun(
  job INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL) STRICT;

-- The output is last: reading what comes before it does not touch its pages.
CREATE TABLE result(
  job INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,
  error INTEGER NOT NULL,
  exit_code INTEGER NOT NULL,
  begun_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL,
  out_omitted INTEGER NOT NULL,
  out_omitted_at INTEGER NOT NULL,
  err_omitted INTEGER NOT NULL,
  err_omitted_at INTEGER NOT NULL,
  output_bytes INTEGER NOT NULL,
  output_hash INTEGER NOT NULL,
  message TEXT NOT NULL,
  shown BLOB NOT NULL,
  out BLOB,                 -- NULL: the same bytes as shown
  err BLOB) STRICT;         -- likewise

-- The highest number among deleted tasks, so that none is used twice.
CREATE TABLE deleted(only INTEGER PRIMARY KEY CHECK (only = 1), last_task INTEGER NOT NULL) STRICT;
INSERT INTO deleted VALUES(1, 0);
)sql";

// Roles were numbers and are names. Projects get the id by which Keystone's clients call them.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE project RENAME TO project_1;
CREATE TABLE project(
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  koophone_commands_only INTEGER NOT NULL,
  created_ms INTEGER NOT NULL) STRICT;
INSERT INTO project SELECT seq, lower(hex(randomblob(16))), name, koophone_commands_only, created_ms
  FROM project_1 ORDER BY seq;
DROP TABLE project_1;

ALTER TABLE token RENAME TO token_1;
CREATE TABLE token(
  id TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  project INTEGER NOT NULL,
  policy TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO token SELECT id, hash, project,
  iif(role = 1, 'KooPhone Administrator', 'KooPhone ReadOnlyUser'), created_ms, expires_ms FROM token_1;
DROP TABLE token_1;

ALTER TABLE instance ADD COLUMN labels TEXT NOT NULL DEFAULT '';  -- KEY=VALUE, joined by newlines

CREATE TABLE user(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  password TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  sessions_from_ms INTEGER NOT NULL) STRICT;

CREATE TABLE role_grant(
  user INTEGER NOT NULL,
  project INTEGER NOT NULL,  -- 0: all
  policy TEXT NOT NULL,
  PRIMARY KEY(user, project, policy)) STRICT, WITHOUT ROWID;

CREATE TABLE policy(
  name TEXT PRIMARY KEY NOT NULL,
  text TEXT NOT NULL,
  created_ms INTEGER NOT NULL) STRICT;

CREATE TABLE access_key(
  id TEXT PRIMARY KEY,
  user INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE revocation(
  session BLOB PRIMARY KEY,
  expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX revocation_by_end ON revocation(expires_ms);

-- AUTOINCREMENT: who has read up to a number finds all that comes later behind it.
CREATE TABLE audit(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  project INTEGER NOT NULL,
  status INTEGER NOT NULL,
  actor TEXT NOT NULL,
  address TEXT NOT NULL,
  request_id TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  message TEXT NOT NULL,
  instances TEXT NOT NULL) STRICT;  -- joined by newlines
CREATE INDEX audit_by_project ON audit(project);  -- and by seq
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
  BEGIN SELECT raise(ABORT, 'the audit log is only added to'); END;

CREATE TABLE audit_hour(
  first INTEGER PRIMARY KEY,
  hour INTEGER NOT NULL) STRICT;  -- at_ms / 3600000
)sql";

constexpr std::array kMigrations = {kVersion1, kVersion2};

Failure too_new(std::int64_t version, std::size_t last) {
  return failure(Errc::kTooNew, "its version is " + std::to_string(version) +
                                    ", the last one known here is " + std::to_string(last));
}

Result<> check_owner(Database& db, std::int64_t version) {
  auto application = db.integer("PRAGMA application_id");
  if (!application) return tl::make_unexpected(std::move(application.error()));
  if (*application == kApplicationId) return {};
  auto objects = db.integer("SELECT count(*) FROM sqlite_schema");
  if (!objects) return tl::make_unexpected(std::move(objects.error()));
  if (version == 0 && *application == 0 && *objects == 0) return {};  // empty: ours to fill
  return failure(Errc::kCorrupt, "it belongs to another program");
}

Result<> migrate_one(Database& db, const char* step, std::size_t to_version) {
  const std::string finish = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                             "; PRAGMA user_version = " + std::to_string(to_version) + "; COMMIT";
  return db.run("BEGIN IMMEDIATE").and_then([&] { return db.run(step); }).and_then([&] {
    return db.run(finish.c_str());
  });
}

// Where the files cannot be mapped as shared memory, SQLite quietly stays with what it had.
Result<> switch_to_log(Database& db) {
  auto statement = db.prepare("PRAGMA journal_mode = WAL");
  if (!statement) return tl::make_unexpected(std::move(statement.error()));
  auto row = statement->step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row || statement->bytes(0) != "wal") {
    return failure(Errc::kUnavailable, "a write-ahead log is not possible on this file system");
  }
  return {};
}

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

Result<> migrate(Database& db, std::span<const char* const> steps) {
  auto version = db.integer("PRAGMA user_version");
  if (!version) return tl::make_unexpected(std::move(version.error()));
  if (auto ours = check_owner(db, *version); !ours) return ours;
  if (*version < 0) return failure(Errc::kCorrupt, "its version is negative");
  if (static_cast<std::uint64_t>(*version) > steps.size()) {
    return too_new(*version, steps.size());
  }
  for (auto at = static_cast<std::size_t>(*version); at < steps.size(); ++at) {
    auto done = migrate_one(db, steps[at], at + 1);
    if (done && *version > 0) spdlog::info("store: the database was brought to version {}", at + 1);
    if (done) continue;
    if (db.in_transaction()) (void)db.run("ROLLBACK");
    return done;
  }
  return {};
}

Result<> check_version(Database& db) {
  const auto application = db.integer("PRAGMA application_id");
  if (!application) return tl::make_unexpected(application.error());
  if (*application != kApplicationId) return failure(Errc::kCorrupt, "it belongs to another program");
  const auto version = db.integer("PRAGMA user_version");
  if (!version) return tl::make_unexpected(version.error());
  const auto last = static_cast<std::int64_t>(kMigrations.size());
  if (*version > last) return too_new(*version, kMigrations.size());
  if (*version < last) {
    return failure(Errc::kUnavailable, "its version is " + std::to_string(*version) +
                                           ": start `drover serve` once, which brings it to " +
                                           std::to_string(last));
  }
  return {};
}

Result<> configure_writer(Database& db) {
  if (auto done = switch_to_log(db); !done) return done;
  return db.run(
      "PRAGMA synchronous = FULL;"
      "PRAGMA foreign_keys = OFF;"
      "PRAGMA temp_store = MEMORY;"
      "PRAGMA secure_delete = FAST;"
      "PRAGMA cache_size = -32768;"
      "PRAGMA journal_size_limit = 67108864");
}

Result<> configure_reader(Database& db) {
  return db.run(
      "PRAGMA query_only = ON;"
      "PRAGMA temp_store = MEMORY;"
      "PRAGMA cache_size = -8192");
}

Result<> configure_checkpointer(Database& db) {
  // A connection that has read nothing does not know of the log, and its checkpoints do nothing.
  return db.run("PRAGMA synchronous = FULL; SELECT count(*) FROM sqlite_schema");
}

}  // namespace drover::store::sqlite
