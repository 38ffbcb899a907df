#include "cli/output.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "cli/terminal.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

const json::value* member_of(const json::value& value, std::string_view member) {
  const json::object* const object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(member);
}

// Columns on a screen, counting each character as one.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void append_indented(const json::value& value, std::string& out, std::size_t depth);

// `open`, each element on a line of its own, `close`; `append` writes one element.
template <typename Container, typename Append>
void append_lines(const Container& elements, const char* brackets, std::string& out, std::size_t depth,
                  Append append) {
  out += brackets[0];
  bool first = true;
  for (const auto& element : elements) {
    out += first ? "\n" : ",\n";
    first = false;
    out.append(2 * (depth + 1), ' ');
    append(element);
  }
  if (!first) out.append("\n").append(2 * depth, ' ');
  out += brackets[1];
}

// Lists of plain values stay on one line: what a policy lists is read at a glance.
void append_indented(const json::value& value, std::string& out, std::size_t depth) {
  const auto is_plain = [](const json::value& one) { return !one.is_structured(); };
  if (const json::object* const object = value.if_object()) {
    append_lines(*object, "{}", out, depth, [&](const auto& member) {
      out += json::serialize(member.key()) + ": ";
      append_indented(member.value(), out, depth + 1);
    });
  } else if (value.is_array() && !std::ranges::all_of(value.get_array(), is_plain)) {
    append_lines(value.get_array(), "[]", out, depth,
                 [&](const json::value& element) { append_indented(element, out, depth + 1); });
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string text_of(const json::value& object, std::string_view member) {
  const json::value* const value = member_of(object, member);
  if (value == nullptr || value->is_null()) return {};
  if (value->is_string()) return std::string(value->get_string());
  return json::serialize(*value);
}

std::uint64_t number_of(const json::value& object, std::string_view member) {
  const json::value* const value = member_of(object, member);
  if (value == nullptr) return 0;
  if (value->is_uint64()) return value->get_uint64();
  if (value->is_int64() && value->get_int64() > 0) return static_cast<std::uint64_t>(value->get_int64());
  return 0;
}

const json::array& array_of(const json::value& object, std::string_view member) {
  static const json::array none;
  const json::value* const value = member_of(object, member);
  return value != nullptr && value->is_array() ? value->get_array() : none;
}

void print_json(const json::value& value) {
  const std::string text = json::serialize(value) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string indented_json(const json::value& value) {
  std::string out;
  append_indented(value, out, 0);
  return out;
}

void Table::print() const {
  const Terminal terminal = Terminal::of(stdout);
  std::vector<std::size_t> widths(rows_.front().size());
  std::vector<std::vector<std::string>> cells(rows_.size());
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t c = 0; c < rows_[r].size(); ++c) {
      std::string cell = printable(rows_[r][c]);
      std::ranges::replace(cell, '\n', ' ');
      widths[c] = std::max(widths[c], width_of(cell));
      cells[r].push_back(std::move(cell));
    }
  }
  for (std::size_t r = 0; r < cells.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < cells[r].size(); ++c) {
      line += cells[r][c];
      if (c + 1 < cells[r].size()) line.append(widths[c] + 2 - width_of(cells[r][c]), ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    std::printf("%s\n", r == 0 ? terminal.paint(Colour::kBold, line).c_str() : line.c_str());
  }
}

}  // namespace drover::cli
