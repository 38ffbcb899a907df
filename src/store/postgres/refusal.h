// What PostgreSQL says when it refuses a command.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

struct pg_result;

namespace drover::store::postgres {

// The failure that `result`, one with an error, stands for: kUnavailable if the reason may pass, else
// kRejected. The message has SQLSTATE and the server's sentence, but not its detail, in which values are.
Error refusal(const pg_result* result);
Error refusal(std::string_view sqlstate, std::string_view sentence);

// The same in the words of a whole message, also of a login that the server refused.
std::string sqlstate_in(std::string_view message);

// What libpq says, of which the first line has the reason and the others advice.
std::string first_line(std::string_view text);

// The five characters of SQLSTATE with which the server refused a unit (kRejected, kUnavailable); empty if
// `error` does not come of a refusal. 42P01 is a table that is not there, 23505 a key that is.
std::string sqlstate(const Error& error);

}  // namespace drover::store::postgres
