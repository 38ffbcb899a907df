// For tests: somebody else at the database.
#pragma once

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <memory>
#include <string>

namespace drover::store::postgres {

// Keeps what its commands lock until it ends, or is ended by the server, if they begin a transaction.
class Session {
 public:
  explicit Session(const std::string& conninfo) : connection_(PQconnectdb(conninfo.c_str()), PQfinish) {}

  void run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_.get(), sql.c_str()),
                                                               PQclear);
    EXPECT_LE(PQresultStatus(result.get()), PGRES_TUPLES_OK) << PQerrorMessage(connection_.get());
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

}  // namespace drover::store::postgres
