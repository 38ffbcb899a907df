// For tests of the SQLite store alone: a store in a folder of its own.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "store/sqlite/sqlite_store.h"
#include "store/testing/store_calls.h"

namespace drover::store {

class SqliteTest : public ::testing::Test {
 protected:
  void open() {
    auto opened = open_sqlite({path()}, registry_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  void reopen() {
    store_.reset();
    open();
  }
  void SetUp() override { open(); }

  std::string path() const { return dir_.file("drover.db"); }
  Store& store() { return *store_; }

  double metric(const std::string& name, bool sum = false) { return store::metric(registry_, name, sum); }

  TempDir dir_;
  prometheus::Registry registry_;
  std::unique_ptr<Store> store_;
};

}  // namespace drover::store
