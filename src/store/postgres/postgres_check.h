// Looks for what is wrong with a database in PostgreSQL.
#pragma once

#include <string>

#include "store/check.h"

namespace drover::store {

// Changes nothing. Blocks until the server has answered, or for 15 s at most. `shown`: the same address for
// people, without a password.
CheckReport check_postgres(const std::string& conninfo, const std::string& shown);

}  // namespace drover::store
