// The one table of settings: what each is called, what it may be, and where it is kept.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "cli/config.h"

namespace drover::cli {

using Slot = std::variant<std::string*, std::int64_t*, bool*>;

struct Setting {
  std::string_view name;
  std::string_view help;
  Slot (*slot)(Config&);
  std::int64_t min = 0;  // of numbers
  std::int64_t max = 0;
  std::string_view choices = {};  // of texts: "text json"; empty: any
  bool ip_address = false;        // of texts
  bool store = false;             // likewise: where tasks are kept
  bool may_be_empty = false;      // of texts
};

std::span<const Setting> settings();
// Null if there is none of that name.
const Setting* find_setting(std::string_view name);
// The setting (or section) whose name looks most like `name`; empty if none does.
std::string nearest_name(std::string_view name);

// "a whole number from 0 to 65535"
std::string rule_of(const Setting& setting);

using Value = std::variant<std::string, std::int64_t, bool>;

// Stores `value`; false if it breaks the rule, its kind included.
bool assign(const Setting& setting, const Value& value, Config& config);
// The same for text from the environment or a flag: numbers and booleans are read from it.
bool assign_text(const Setting& setting, const std::string& text, Config& config);

// The value as TOML and JSON both have it: 8580, true, "text".
std::string value_text(const Setting& setting, const Config& config);

std::string env_name(std::string_view name);
std::string flag_name(std::string_view name);

}  // namespace drover::cli
