// What to do about a PostgreSQL database that cannot be used.
#pragma once

#include <string>

#include "base/result.h"

namespace drover::store {

// For an error of open_postgres() or check_postgres(), by what the server or libpq says; empty if that says
// it all. Sentences for people, a line each.
std::string postgres_advice(const Error& error);

}  // namespace drover::store
