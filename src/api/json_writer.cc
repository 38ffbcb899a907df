#include "api/json_writer.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/clock.h"
#include "base/utf8.h"

namespace drover::api {
namespace {

// For each byte: 0 if it stands for itself within a JSON string (RFC 8259, section 7), 'u' if it is written
// \u00XX, else the letter after the backslash.
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> table{};
  for (std::size_t c = 0; c < 0x20; ++c) table[c] = 'u';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table['"'] = '"';
  table['\\'] = '\\';
  return table;
}();

char escape_of(char c) { return kEscapes[static_cast<unsigned char>(c)]; }

void append_escaped(std::string& out, char c) {
  const char escape = escape_of(c);
  out += '\\';
  out += escape;
  if (escape != 'u') return;
  constexpr char kDigits[] = "0123456789abcdef";
  out += "00";
  out += kDigits[static_cast<unsigned char>(c) >> 4];
  out += kDigits[static_cast<unsigned char>(c) & 15];
}

// Eight bytes at a time, the first in the lowest place. Outputs of commands are most of what is written.
std::uint64_t load(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

constexpr std::uint64_t all(unsigned char byte) { return 0x0101010101010101 * std::uint64_t{byte}; }

// The high bit of each byte below `limit` (which is at most 0x80); of those above the first one, perhaps
// wrongly.
std::uint64_t below(std::uint64_t word, unsigned char limit) {
  return (word - all(limit)) & ~word & all(0x80);
}

std::size_t first_escape(std::string_view text, std::size_t from) {
  for (; text.size() - from >= 8; from += 8) {
    const std::uint64_t word = load(text.data() + from);
    const std::uint64_t found = below(word, 0x20) | below(word ^ all('"'), 1) | below(word ^ all('\\'), 1);
    if (found != 0) return from + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  while (from < text.size() && escape_of(text[from]) == 0) ++from;
  return from;
}

bool is_ascii(std::string_view text) {
  std::uint64_t high = 0;
  for (; text.size() >= 8; text.remove_prefix(8)) high |= load(text.data());
  for (const char c : text) high |= static_cast<unsigned char>(c);
  return (high & all(0x80)) == 0;
}

}  // namespace

JsonWriter& JsonWriter::open_object() {
  comma();
  out_ += '{';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::open_object(std::string_view name) {
  key(name);
  out_ += '{';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close_object() {
  out_ += '}';
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::open_array(std::string_view name) {
  key(name);
  out_ += '[';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close_array() {
  out_ += ']';
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view name, std::string_view value) {
  return text(name, value, static_cast<std::size_t>(-1));
}

JsonWriter& JsonWriter::text(std::string_view name, std::string_view value, std::size_t limit) {
  key(name);
  if (is_ascii(value)) {
    quoted_utf8(value.substr(0, limit));
  } else {
    quoted_utf8(to_utf8(value, limit));
  }
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view name, std::int64_t value) {
  key(name);
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out_.append(digits, end);
  return *this;
}

JsonWriter& JsonWriter::boolean(std::string_view name, bool value) {
  key(name);
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null(std::string_view name) {
  key(name);
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::id(std::string_view name, const Id& value) {
  key(name);
  out_ += '"';
  value.append_hex(out_);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::time(std::string_view name, std::int64_t unix_ms) {
  if (unix_ms == 0) return null(name);
  return text(name, format_utc(unix_ms, true));
}

JsonWriter& JsonWriter::raw(std::string_view name, std::string_view value) {
  key(name);
  out_ += value;
  return *this;
}

JsonWriter& JsonWriter::item(std::string_view value) {
  comma();
  comma_ = true;
  quoted_utf8(to_utf8(value));
  return *this;
}

void JsonWriter::key(std::string_view name) {
  comma();
  out_ += '"';
  out_ += name;
  out_ += "\":";
  comma_ = true;
}

void JsonWriter::comma() {
  if (comma_) out_ += ',';
}

void JsonWriter::quoted_utf8(std::string_view value) {
  out_ += '"';
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t escape = first_escape(value, at);
    out_.append(value, at, escape - at);
    if (escape < value.size()) append_escaped(out_, value[escape]);
    at = escape + 1;
  }
  out_ += '"';
}

}  // namespace drover::api
