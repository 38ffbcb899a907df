// What every engine refuses to store, because it would not come back as it was.
#pragma once

#include "base/result.h"
#include "store/store.h"

namespace drover::store {

// std::errc::invalid_argument.
Failure refuse(const char* why);
Result<> check_task(const Task& task);
// `check` is the engine's own, of one entry.
Result<> check_audit(const WriteBatch& batch, Result<> (*check)(const AuditEntry& entry));

}  // namespace drover::store
