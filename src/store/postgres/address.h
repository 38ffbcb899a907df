// The address of a database as its user wrote it, postgresql://USER:PASSWORD@HOST:PORT/DATABASE?KEY=VALUE.
#pragma once

#include <string>
#include <string_view>

namespace drover::store::postgres {

// What to do about an address for which ends_too_early() holds.
inline constexpr std::string_view kEscapeHint =
    "an @ in the name or password of a database's address must be written %40, and a / must be written %2F; "
    "host"
    " and port follow the @";

// Whether an @ stands, or is missing, where libpq would take a piece of the password for the host, the port
// or the database, and so show it. Text without :// never does.
bool ends_too_early(std::string_view address);

// With *** for each password; nothing but the scheme if ends_too_early().
std::string without_passwords(std::string_view address);
bool has_password(std::string_view address);

}  // namespace drover::store::postgres
