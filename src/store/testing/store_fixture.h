// For tests of what every engine promises: each runs once an engine.
//
//   class ThingTest : public StoreTest {};
//   TEST_P(ThingTest, HoldsWhatItIsGiven) { ... store() ... }
//   ON_EVERY_ENGINE(ThingTest);
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/testing/server.h"
#include "store/sqlite/database.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing/store_calls.h"

namespace drover::store {

enum class Engine { kSqlite, kPostgres };

inline void PrintTo(Engine engine, std::ostream* out) {
  *out << (engine == Engine::kSqlite ? "Sqlite" : "Postgres");
}

#define ON_EVERY_ENGINE(suite)                                                                      \
  INSTANTIATE_TEST_SUITE_P(EveryEngine, suite, testing::Values(Engine::kSqlite, Engine::kPostgres), \
                           testing::PrintToStringParamName())

// A store on a database of its own, which is new for each test.
class StoreTest : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    if (GetParam() == Engine::kPostgres) database_ = postgres::TestServer::shared().create_database();
    open();
  }

  // Another store on the same database.
  Result<std::unique_ptr<Store>> open_another() {
    if (GetParam() == Engine::kSqlite) return open_sqlite({path()}, registry_);
    return open_postgres({.conninfo = postgres::TestServer::shared().conninfo(database_),
                          .node_name = kNode,
                          .node_file = dir_.file("node-" + std::to_string(++nodes_))},
                         clock_, registry_);
  }
  // What names the database for people who are told that it is in use.
  std::string whereabouts() const { return GetParam() == Engine::kSqlite ? path() : kNode; }
  void open() {
    auto opened = open_another();
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  void reopen() {
    store_.reset();
    open();
  }

  Store& store() { return *store_; }
  double metric(const std::string& name, bool sum = false) { return store::metric(registry_, name, sum); }

  // Runs SQL with nothing of the store's involved; the tables' names are the same in every engine.
  Result<> run_sql(const std::string& sql) {
    if (GetParam() == Engine::kSqlite) return sqlite::Database::open(path())->run(sql.c_str());
    try {
      postgres::TestServer::shared().execute(database_, "SET search_path = drover; " + sql);
      return {};
    } catch (const std::exception& refused) {
      return failure(Errc::kRejected, refused.what());
    }
  }

 private:
  static constexpr const char* kNode = "node-of-tests";

  std::string path() const { return dir_.file("drover.db"); }

  Clock clock_;
  TempDir dir_;
  int nodes_ = 0;         // that were opened, each another one
  std::string database_;  // PostgreSQL's
  prometheus::Registry registry_;

 protected:
  std::unique_ptr<Store> store_;
};

}  // namespace drover::store
