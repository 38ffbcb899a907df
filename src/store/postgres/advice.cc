#include "store/postgres/advice.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "store/errc.h"
#include "store/postgres/refusal.h"

namespace drover::store {
namespace {

struct Advice {
  std::string_view cause;  // a SQLSTATE, or a piece of what libpq says
  std::string_view text;
};

constexpr std::string_view kPassword =
    "The password comes from PGPASSWORD, ~/.pgpass or the file that ?passfile=FILE in the address names.";
// A pooler hands the settings of one connection to the next, read-only ones too, and says nowhere that it is
// one: https://github.com/pgbouncer/pgbouncer/issues/653.
constexpr std::string_view kReadOnly =
    "The server is read-only (a replica?), or a pooler stands in between: name the primary itself.";

constexpr std::array<Advice, 12> kKnown{{
    // What these say is all there is to know.
    {"password file", ""},
    {"no line of", ""},
    {"28000", ""},
    {"42501", ""},
    {"57P03", ""},
    {"28P01", kPassword},
    {"no password supplied", kPassword},
    {"25006", kReadOnly},
    {"session is read-only", kReadOnly},
    {"26000",
     "A pooler that hands out connections by the transaction does not work: name the server itself."},
    {"3D000", "Let the owner of the server make it: createdb -O ROLE DATABASE"},
    {"53300",
     "Each `drover serve` takes four connections, `drover doctor` one: raise max_connections of the "
     "server,\n"
     "or the limit of the role or the database."},
}};

constexpr std::string_view kNoConnection = "See whether `psql` connects to the same address from here.";

}  // namespace

std::string postgres_advice(const Error& error) {
  const std::string state = postgres::sqlstate_in(error.message);
  const auto fits = [&](const Advice& one) {
    return state.empty() ? error.message.find(one.cause) != std::string::npos : one.cause == state;
  };
  if (const auto* known = std::ranges::find_if(kKnown, fits); known != kKnown.end())
    return std::string(known->text);
  return state.empty() && error.code == Errc::kUnavailable ? std::string(kNoConnection) : std::string();
}

}  // namespace drover::store
