// Projects, users and all that says who may do what: each change is one command, whose answer says how it
// went.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/postgres/unit.h"
#include "store/types.h"

namespace drover::store::postgres {

// These answer with the new number, or 0 where the name is taken.
void add_project(Unit& unit, std::int64_t epoch, const Project& project);
void add_user(Unit& unit, std::int64_t epoch, const User& user, const std::vector<Grant>& grants);

// Answers with 0: done, 1: the name is taken, 2: there is no such thing.
void add_change(Unit& unit, std::int64_t epoch, const IdentityChange& change);
// Of such an answer: the failure it stands for.
Result<> outcome_of(std::int64_t answer, const IdentityChange& change);

// All of it, each kind in the order in which its rows were made: seven commands.
void add_identities_read(Unit& unit);
IdentityRows identities_of(std::span<const Rows> rows);

}  // namespace drover::store::postgres
