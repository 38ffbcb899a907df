// What the client commands share: reading members of answers, tables, and JSON for machines.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace drover::cli {

// A member as text, or empty; numbers and booleans are written out.
std::string text_of(const boost::json::value& object, std::string_view member);
// A member as a number that is not negative, or 0.
std::uint64_t number_of(const boost::json::value& object, std::string_view member);
// The array under `member`; an empty one if there is none.
const boost::json::array& array_of(const boost::json::value& object, std::string_view member);

// One line of JSON on standard output.
void print_json(const boost::json::value& value);

// The same on many lines, for people.
std::string indented_json(const boost::json::value& value);

// Rows in aligned columns on standard output, below bold headings.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) { rows_.push_back(std::move(headings)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace drover::cli
