// Version 1 of the schema, in three parts. Once released none of it changes: later versions alter it.
#pragma once

namespace drover::store::postgres {

// Each is a list of commands that may stand in a block of PL/pgSQL.
extern const char* const kTables1;
extern const char* const kFunctions1;
extern const char* const kRetention1;

}  // namespace drover::store::postgres
