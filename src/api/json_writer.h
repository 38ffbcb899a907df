// Appends JSON to a string, without a tree of values in between: answers about many jobs are long.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/id.h"

namespace drover::api {

// Writes what it is told, in that order, and sets the commas. Keys are literals that need no escapes; texts
// are escaped and may be any bytes: what is no UTF-8 becomes U+FFFD. Members of objects take a key, elements
// of arrays none.
class JsonWriter {
 public:
  // `out` outlives the writer; what it holds stays in front.
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& open_object();
  JsonWriter& open_object(std::string_view key);
  JsonWriter& close_object();
  JsonWriter& open_array(std::string_view key);
  JsonWriter& close_array();

  JsonWriter& text(std::string_view key, std::string_view value);
  // At most `limit` bytes of it, before escaping; never ends inside a character.
  JsonWriter& text(std::string_view key, std::string_view value, std::size_t limit);
  JsonWriter& number(std::string_view key, std::int64_t value);
  JsonWriter& boolean(std::string_view key, bool value);
  JsonWriter& null(std::string_view key);
  JsonWriter& id(std::string_view key, const Id& value);
  // `2026-11-23T21:05:00.123Z`, or null for 0.
  JsonWriter& time(std::string_view key, std::int64_t unix_ms);
  // `value` as it is, which must be JSON.
  JsonWriter& raw(std::string_view key, std::string_view value);
  // An element of an array.
  JsonWriter& item(std::string_view value);

 private:
  void key(std::string_view name);
  void comma();
  void quoted_utf8(std::string_view value);

  std::string& out_;
  bool comma_ = false;
};

}  // namespace drover::api
