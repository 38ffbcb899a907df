// Reads the JSON object that a request's body must be, straight into the members that are asked for: no tree
// of values is built, so that memory stays within a small multiple of what is wanted, whatever the body
// holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
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

// An object whose values are strings, and whose keys are anybody's.
struct TextMap {
  explicit TextMap(std::size_t max_items = 16) : max(max_items) {}

  std::size_t max;        // this many are kept
  std::size_t count = 0;  // this many there were, repeated keys counted again
  std::map<std::string, std::string, std::less<>> items;
  bool present = false;
};

// A string that may be null.
struct NullableText {
  bool present = false;
  std::optional<std::string> text;
};

// An array of objects, of which the members `names` are read. These are strings; the one called `nullable`
// may be null, the one called `map` is a TextMap.
struct RecordList {
  RecordList(std::size_t max_items, std::vector<std::string_view> members)
      : max(max_items), names(std::move(members)) {}

  std::size_t max;
  std::vector<std::string_view> names;
  std::string_view nullable;  // one of `names`; empty: none
  std::string_view map;       // none of `names`; empty: none
  std::size_t count = 0;
  // Of each object names.size() in a row, the first `max` objects; nothing where a member was missing.
  std::vector<std::optional<std::string>> values;
  // By object, as long as is needed: that its nullable member was null, and its map.
  std::vector<bool> nulls;
  std::vector<TextMap> maps;
  bool present = false;

  bool is_null(std::size_t object) const { return object < nulls.size() && nulls[object]; }
};

// An object of which it only matters that it is there. Its members may be asked for by their paths.
struct AnyObject {
  bool present = false;
};

// A member of the object: its name, and where its value goes. The target's type is the type that the value
// must have. The name of a member of an object within the object is its path, "auth.identity.methods"; what
// is on the way there must be an object, or null, which stands for a missing one. A member that may be a
// value or an object is asked for by its name and by the paths of what the object holds.
struct Member {
  std::string_view name;
  std::variant<std::optional<std::string>*, std::optional<std::int64_t>*, std::optional<bool>*, StringList*,
               RecordList*, TextMap*, NullableText*, AnyObject*>
      target;
};

// Fills the members' targets; what is missing stays as it was. Members that nobody asks for are ignored, and
// of repeated ones the last counts. Refuses with 400, naming the member and the rule: what is no JSON object,
// is no UTF-8, is nested deeper than 16 levels, or has a value of another type. Integers beyond 64 bits are
// held at their limits.
Checked<> read_json_object(std::string_view body, std::span<const Member> members);

}  // namespace drover::api
