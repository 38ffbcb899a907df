// How a node learns what has changed of that which all nodes hold in memory.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "store/cluster.h"
#include "store/postgres/unit.h"

namespace drover::store::postgres {

struct DirectoryQuestion {
  std::int64_t since = 0;   // what has changed after this version; 0: all there is
  std::int64_t as_of = 0;   // up to this version nothing has changed but what is asked for
  bool identities = false;  // ask for them
  bool instances = false;
};

struct DirectoryAnswer {
  std::int64_t version = 0;  // what is not in `change` has not changed up to here
  bool gap = false;          // `since` is too long ago: there is no answer but to all
  DirectoryChange change;
};

// For a connection whose units read one state of the database each.
Unit ask(const DirectoryQuestion& question);
// kCorrupt: what is stored cannot be read.
Result<DirectoryAnswer> answer_of(const DirectoryQuestion& question, const std::vector<Rows>& rows);

}  // namespace drover::store::postgres
