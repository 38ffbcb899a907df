// Looks for what is wrong with a database in SQLite.
#pragma once

#include <cstdint>
#include <string>

#include "store/check.h"

namespace drover::store {

struct SqliteCheckOptions {
  std::string path;
  bool full = false;        // also whether indexes and tables agree, which takes several times as long
  std::int64_t now_ms = 0;  // what the clock says
};

// Changes nothing, and may run beside a server, which it does not hold up. Reads all of the database: blocks
// for as long as that takes. Where nothing can be read, the findings say why.
CheckReport check_sqlite(const SqliteCheckOptions& options);

}  // namespace drover::store
