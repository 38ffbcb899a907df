#include "store/postgres/schema.h"

#include <array>

#include "store/postgres/schema_sql.h"

namespace drover::store::postgres {

const char* const kLookForSchema =
    "SELECT to_regnamespace('drover') IS NOT NULL,"
    " EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('drover') AND relname = 'version'),"
    " EXISTS (SELECT 1 FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass"
    " AND refobjid = to_regnamespace('drover') AND deptype = 'n')";

bool is_strange(const Rows& found) { return found.integer(0, 1) == 0 && found.integer(0, 2) != 0; }

const char* const kMissingGrant = R"sql(
SELECT CASE
  WHEN to_regnamespace('drover') IS NULL AND NOT has_database_privilege(current_database(), 'CREATE') THEN
    format(E'Let the owner of the database or a superuser run one of these in it:\n'
           '  GRANT CREATE ON DATABASE %1$I TO %2$I;\n'
           '  CREATE SCHEMA drover AUTHORIZATION %2$I;', current_database(), current_user)
  WHEN NOT has_schema_privilege(to_regnamespace('drover'), 'CREATE')
       OR NOT has_schema_privilege(to_regnamespace('drover'), 'USAGE') THEN
    (SELECT CASE
       WHEN EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid) THEN
         format('The schema drover belongs to the role %I: let the address name that one.', r.rolname)
       ELSE format(E'Let a superuser run this in the database:\n  ALTER SCHEMA drover OWNER TO %I;', current_user)
     END FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'drover')
  ELSE '' END)sql";

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
  END IF;
  IF NOT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'drover' AND c.relname = 'version') THEN
    CREATE TABLE drover.version(version bigint NOT NULL);
    INSERT INTO drover.version VALUES(0);
  END IF;
  IF (SELECT version > 0 AND version < )sql" +
                    std::to_string(steps.size()) + R"sql( FROM drover.version) THEN
    PERFORM drover.bury_expired(epoch, (extract(epoch FROM expires_at) * 1000000)::int8) FROM drover.lease;
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
