#include "api/rules.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "fleet/address.h"

namespace drover::api {
namespace {

constexpr std::int64_t kLongestSeconds = 86'400;

bool is_koophone_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '/' || c == ':' || c == '-' || c == ' ';
}

std::string range(std::int64_t min, std::int64_t max) { return grouped(min) + " to " + grouped(max); }

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Checked<std::string> check_command(std::optional<std::string> command, bool koophone_characters_only) {
  if (!command) return bad_parameter("command is missing; it must be a string");
  const auto size = static_cast<std::int64_t>(command->size());
  if (command->empty() || command->size() > kLongestCommand) {
    return bad_parameter("command must be " + range(1, kLongestCommand) + " bytes, got " + grouped(size));
  }
  if (command->find('\0') != std::string::npos) return bad_parameter("command must not hold a NUL character");
  if (koophone_characters_only && !std::all_of(command->begin(), command->end(), is_koophone_character)) {
    return bad_parameter("command may hold only A-Z a-z 0-9 _ . / : - and space in this project");
  }
  return std::move(*command);
}

Checked<std::vector<std::string>> check_instance_ids(StringList list) {
  if (!list.present) return bad_parameter("instance_ids is missing; it must be an array of strings");
  if (list.count == 0 || list.count > list.max) {
    return bad_parameter("instance_ids must hold " + range(1, static_cast<std::int64_t>(list.max)) +
                         " ids, got " + grouped(static_cast<std::int64_t>(list.count)));
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const std::string& id = list.items[i];
    if (fleet::is_instance_id(id)) continue;
    return bad_parameter("instance_ids[" + std::to_string(i) + "] must be 1 to 32 of A-Z a-z 0-9 _ -, got " +
                         grouped(static_cast<std::int64_t>(id.size())) + " bytes");
  }
  return std::move(list.items);
}

Checked<std::uint32_t> check_seconds(std::string_view name, std::optional<std::int64_t> value,
                                     std::uint32_t otherwise) {
  if (!value) return otherwise;
  if (*value < 1 || *value > kLongestSeconds) {
    return bad_parameter(std::string(name) + " must be an integer from " + range(1, kLongestSeconds) +
                         ", got " + grouped(*value));
  }
  return static_cast<std::uint32_t>(*value);
}

Checked<std::int64_t> query_integer(const http::Request& request, std::string_view name,
                                    std::int64_t otherwise, std::int64_t min, std::int64_t max) {
  if (!request.query(name)) return otherwise;
  return required_query_integer(request, name, min, max);
}

Checked<std::int64_t> required_query_integer(const http::Request& request, std::string_view name,
                                             std::int64_t min, std::int64_t max) {
  const auto text = request.query(name);
  const auto value = text ? parse_integer(*text) : std::nullopt;
  if (value && *value >= min && *value <= max) return *value;
  return bad_parameter(std::string(name) + (text ? "" : " is missing; it") + " must be an integer from " +
                       range(min, max));
}

Checked<Seconds> query_wait(const http::Request& request) {
  const auto wait = query_integer(request, "wait", 0, 0, kLongestWait);
  if (!wait) return tl::unexpected(wait.error());
  return Seconds(*wait);
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits.front() == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

}  // namespace drover::api
