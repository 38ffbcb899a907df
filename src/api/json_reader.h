// Reads the JSON object that a request's body must be, straight into the members that are asked for: no tree
// of values is built, so that memory stays within a small multiple of what is wanted, whatever the body
// holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/answer.h"

namespace drover::api {

// An array of strings.
struct StringList {
  explicit StringList(std::size_t max_items) : max(max_items) {}

  std::size_t max;                 // this many are kept
  std::size_t count = 0;           // this many there were
  std::vector<std::string> items;  // the first of them
  bool present = false;
};

// An array of objects, of which the members `names` are read; these are strings.
struct RecordList {
  RecordList(std::size_t max_items, std::vector<std::string_view> members)
      : max(max_items), names(std::move(members)) {}

  std::size_t max;
  std::vector<std::string_view> names;
  std::size_t count = 0;
  // Of each object names.size() in a row, the first `max` objects; nothing where a member was missing.
  std::vector<std::optional<std::string>> values;
  bool present = false;
};

// A member of the object: its name, and where its value goes. The target's type is the type that the value
// must have.
struct Member {
  std::string_view name;
  std::variant<std::optional<std::string>*, std::optional<std::int64_t>*, std::optional<bool>*, StringList*,
               RecordList*>
      target;
};

// Fills the members' targets; what is missing stays as it was. Members that nobody asks for are ignored, and
// of repeated ones the last counts. Refuses with 400, naming the member and the rule: what is no JSON object,
// is no UTF-8, is nested deeper than 16 levels, or has a value of another type. Integers beyond 64 bits are
// held at their limits.
Checked<> read_json_object(std::string_view body, std::span<const Member> members);

}  // namespace drover::api
