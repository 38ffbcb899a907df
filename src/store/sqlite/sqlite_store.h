// The Store in one SQLite file: WAL, synchronous=FULL, one writer thread, one reader thread, and one that
// checkpoints.
//
// Where a commit failed because the disk could not sync, and the process then dies before the next commit,
// the failed one may be found stored all the same.
#pragma once

#include <memory>
#include <string>

#include "store/store.h"

namespace prometheus {
class Registry;
}

namespace drover::store {

struct SqliteOptions {
  std::string path;  // made with mode 0600 when missing; its folder must be there
};

// Opens (and upgrades) the file and holds it against other processes until closed. `registry` outlives the
// store.
Result<std::unique_ptr<Store>> open_sqlite(const SqliteOptions& options, prometheus::Registry& registry);

}  // namespace drover::store
