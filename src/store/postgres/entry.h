// How a node comes to its database: the schema is brought to the version that it knows, its clock is
// compared, and it is registered.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/postgres/unit.h"

namespace drover::store::postgres {

// Each call blocks. Errors, beside those of the connection, are open_postgres()'s.
class Entry {
 public:
  // Runs a unit, and waits for its answer.
  using Run = std::function<Result<std::vector<Rows>>(Unit unit, Millis patience)>;

  // `migrations` outlives it.
  Entry(Run run, std::span<const std::string> migrations) : run_(std::move(run)), migrations_(migrations) {}

  Result<> migrate();
  // kWrongClock: other nodes than this one serve, and it is far off.
  Result<> compare_clocks(const Clock& clock, const std::string& node_id);
  // The epoch that was granted.
  Result<std::int64_t> enter(const std::string& node_id, const std::string& node_name);

 private:
  Result<std::vector<Rows>> ask(Unit unit);
  Failure too_new(std::int64_t version) const;
  Error with_grant(Error error);

  Run run_;
  std::span<const std::string> migrations_;
};

}  // namespace drover::store::postgres
