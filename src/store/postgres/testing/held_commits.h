// For tests: units that add to a table, or change its rows, stop at their commit until the test lets them go
// on.
#pragma once

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <memory>
#include <string>

namespace drover::store::postgres {

class HeldCommits {
 public:
  // `which`: of the rows NEW, as a condition of SQL.
  HeldCommits(const std::string& conninfo, const std::string& table, const std::string& which = "true")
      : connection_(PQconnectdb(conninfo.c_str()), PQfinish) {
    run("CREATE FUNCTION drover.hold_commit() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN"
        " PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $fn$");
    run("CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT OR UPDATE ON " + table +
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (" + which +
        ") EXECUTE FUNCTION drover.hold_commit()");
    run("SELECT pg_advisory_lock(1)");
  }
  void release() { run("SELECT pg_advisory_unlock(1)"); }

 private:
  void run(const std::string& text) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_.get(), text.c_str()),
                                                               PQclear);
    EXPECT_LE(PQresultStatus(result.get()), PGRES_TUPLES_OK) << PQerrorMessage(connection_.get());
  }

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

}  // namespace drover::store::postgres
