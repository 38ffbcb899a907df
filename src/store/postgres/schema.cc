#include "store/postgres/schema.h"

#include "store/postgres/schema_sql.h"

namespace drover::store::postgres {

const char* const kLookForSchema =
    "SELECT to_regnamespace('drover') IS NOT NULL, to_regclass('drover.version') IS NOT NULL";

const char* const kReadVersion = "SELECT version FROM drover.version";

std::string migration() {
  // The lock is for those who start at the same time; each looks again when it has it, in the table itself:
  // functions like to_regnamespace() see what was there before the wait.
  std::string sql = R"sql(DO $migration$
BEGIN
  PERFORM pg_advisory_xact_lock(4923250421);
  IF NOT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'drover') THEN
    CREATE SCHEMA drover;
    CREATE TABLE drover.version(version bigint NOT NULL);
    INSERT INTO drover.version VALUES(0);
  END IF;
)sql";
  sql += "  IF (SELECT version FROM drover.version) < 1 THEN\n";
  sql += kTables1;
  sql += kFunctions1;
  sql += kRetention1;
  sql += "  UPDATE drover.version SET version = 1;\n  END IF;\nEND $migration$";
  return sql;
}

}  // namespace drover::store::postgres
