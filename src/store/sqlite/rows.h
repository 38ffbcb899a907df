// Reads whole tables.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "store/sqlite/database.h"

namespace drover::store::sqlite {

// Appends every row of `sql` as `make` reads it, which gives a T or why the row can be none.
template <typename T, typename Make>
Result<> read_all(Database& db, std::string_view sql, std::vector<T>& into, Make make) {
  auto statement = db.prepare(sql);
  if (!statement) return tl::make_unexpected(std::move(statement.error()));
  while (true) {
    auto row = statement->step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) return {};
    Result<T> one = make(*statement);
    if (!one) return tl::make_unexpected(std::move(one.error()));
    into.push_back(*std::move(one));
  }
}

}  // namespace drover::store::sqlite
