// For tests: nodes, each with a file of its own.
#pragma once

#include <atomic>
#include <string>

#include "store/postgres/postgres_store.h"
#include "store/testing/store_calls.h"

namespace drover::store::postgres {

class Nodes {
 public:
  // Another node at each call, also of the same name.
  PostgresOptions make(const std::string& conninfo, const std::string& name) {
    PostgresOptions options;
    options.conninfo = conninfo;
    options.node_name = name;
    options.node_file = dir_.file("node-" + std::to_string(++count_));
    return options;
  }

 private:
  TempDir dir_;
  std::atomic<int> count_ = 0;
};

}  // namespace drover::store::postgres
