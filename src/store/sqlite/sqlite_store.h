// The Store in one SQLite file: WAL, synchronous=FULL, one writer thread, one reader thread, and one that
// checkpoints.
//
// A commit whose sync failed may be whole in the log all the same. Before it is reported, the writer puts an
// empty one in its place; where that fails as well and the process dies before any other commit, the failed
// one may be found stored after all.
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
