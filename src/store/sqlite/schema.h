// The tables, and how a file of an earlier version gets them.
//
// A task's row never changes after it was accepted: it holds up to 3 KiB of targets for 100 jobs, which a
// change of `finished_ms` in it would write again. What changes is in small rows beside it:
//
// `task`: one a task, with its targets joined by newlines.
//
// `unfinished`: one a task with open jobs, which a new process has to go on with.
//
// `finished`: one a task without; where its `task` row is gone, its results are still to be deleted.
//
// `begun`: one a job that began, until its task has finished.
//
// `result`: one a job that ended. The key is JobKey::packed(), so that a task's jobs are one range.
//
// `audit`: the log of who did what, in the order in which it was written.
//
// `audit_hour`: the entries from `first` on, up to the next row's, were made in that hour of Unix time. By
// these few rows a time is found among many entries, which an index over their times would make larger with
// each one. After a clock was set back an hour has several rows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/sqlite/database.h"

namespace drover::store::sqlite {

inline constexpr std::int64_t kApplicationId = 0x44525652;  // "DRVR", at offset 68 of the file

// One page of the smallest size. What is shorter is no database, also where SQLite takes it for a new one.
inline constexpr std::int64_t kSmallestFile = 512;

// migrations()[n] leads from version n to n + 1. Only ever add at the end.
std::span<const char* const> migrations();

// Brings the file to the last version, one transaction a step. kCorrupt: damaged, or not Drover's; kTooNew.
Result<> migrate(Database& db, std::span<const char* const> steps);

// Whether the file is Drover's and of the last version, for who may not change it. kCorrupt: it is not
// Drover's; kUnavailable: of an earlier version, which a start of the server changes; kTooNew.
Result<> check_version(Database& db);

// For each connection: how it syncs and caches.
Result<> configure_writer(Database& db);
Result<> configure_reader(Database& db);
Result<> configure_checkpointer(Database& db);

}  // namespace drover::store::sqlite
