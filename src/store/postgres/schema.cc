#include "store/postgres/schema.h"

#include <array>

#include "store/postgres/schema_sql.h"

namespace drover::store::postgres {

const char* const kLookForSchema =
    "SELECT to_regnamespace('drover') IS NOT NULL, to_regclass('drover.version') IS NOT NULL";

const char* const kReadVersion = "SELECT version FROM drover.version";

std::span<const std::string> migrations() {
  static const std::array kAll{std::string(kTables1) + kFunctions1 + kRetention1};
  return kAll;
}

// All steps are one transaction: when the last one fails, the version before is whole, and the Drover that
// knows it can go on. Were each committed, there could be a version that no Drover at hand runs on.
Unit migration(std::span<const std::string> steps) {
  Unit unit;
  // Large tables take their time, and so does the lock while another node is at it. Once that is there, who
  // still holds a table is not waited for as long.
  unit.add("SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)");
  // Who was waiting for the lock looks again when it has it, in the table itself: functions like
  // to_regnamespace() see what was there before the wait. A node whose lease has ended may not come back to
  // what it does not know, so it is buried, by the function of the version that is there.
  std::string sql = R"sql(DO $migration$
BEGIN
  PERFORM pg_advisory_xact_lock(4923250421);
  SET LOCAL lock_timeout = '10s';
  IF NOT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'drover') THEN
    CREATE SCHEMA drover;
    CREATE TABLE drover.version(version bigint NOT NULL);
    INSERT INTO drover.version VALUES(0);
  END IF;
  IF (SELECT version > 0 AND version < )sql" +
                    std::to_string(steps.size()) + R"sql( FROM drover.version) THEN
    PERFORM drover.bury_expired(epoch) FROM drover.node;
    IF EXISTS (SELECT 1 FROM drover.node) THEN RETURN; END IF;
  END IF;
)sql";
  for (std::size_t from = 0; from < steps.size(); ++from) {
    sql += "  IF (SELECT version FROM drover.version) = " + std::to_string(from) + " THEN\n" + steps[from] +
           "\n  UPDATE drover.version SET version = " + std::to_string(from + 1) + ";\n  END IF;\n";
  }
  unit.add(sql + "END $migration$");
  unit.add(
      "SELECT version, (SELECT string_agg(name, ', ' ORDER BY epoch) FROM drover.node) FROM drover.version");
  return unit;
}

}  // namespace drover::store::postgres
