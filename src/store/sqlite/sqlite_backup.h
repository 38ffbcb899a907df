// A copy of a database that a server may be using.
//
// The copy is a database that a server can be started from. Jobs that were open in the original may have run
// after the copy was made, so in the copy each of them has begun: at its first start they end as interrupted,
// and none runs a second time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace drover::store {

struct BackupReport {
  std::uint64_t bytes = 0;
  std::int64_t tasks = 0;
  std::int64_t open_jobs = 0;  // those that end as interrupted
};

// How far the copy is, in bytes; all of them while it is being checked. Asked several times a second, from
// any thread but one at a time. False: leave it.
using BackupProgress = std::function<bool(std::uint64_t done, std::uint64_t of)>;

// Copies the database `from` as it is at this moment to `to`, a file that does not exist (mode 0600), checks
// it and brings it to the disk. Writers of `from` are not held up; its log grows meanwhile. Blocks.
//
// kCorrupt: the original is damaged; kTooNew; kUnavailable; std::errc::operation_canceled. A failure leaves
// what there is of `to`.
Result<BackupReport> back_up_sqlite(const std::string& from, const std::string& to,
                                    const BackupProgress& progress);

}  // namespace drover::store
