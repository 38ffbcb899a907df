// For tests: units that add to a table, or change its rows, stop at their commit until the test lets them go
// on.
#pragma once

#include <string>

#include "store/postgres/testing/session.h"

namespace drover::store::postgres {

class HeldCommits {
 public:
  // `which`: of the rows NEW, as a condition of SQL.
  HeldCommits(const std::string& conninfo, const std::string& table, const std::string& which = "true")
      : session_(conninfo) {
    session_.run(
        "CREATE FUNCTION drover.hold_commit() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN"
        " PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $fn$");
    session_.run("CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT OR UPDATE ON " + table +
                 " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (" + which +
                 ") EXECUTE FUNCTION drover.hold_commit()");
    session_.run("SELECT pg_advisory_lock(1)");
  }
  void release() { session_.run("SELECT pg_advisory_unlock(1)"); }

 private:
  Session session_;
};

}  // namespace drover::store::postgres
