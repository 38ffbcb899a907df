#include "cli/labels.h"

#include <algorithm>

#include "cli/errc.h"

namespace drover::cli {
namespace {

bool is_part(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

}  // namespace

Result<> add_label(std::string_view text, Labels& labels) {
  const std::string shown = "label \"" + std::string(text.substr(0, 140)) + "\"";
  const std::size_t equals = text.find('=');
  const bool split = equals != std::string_view::npos;
  if (!split || !is_part(text.substr(0, equals)) || !is_part(text.substr(equals + 1))) {
    return fail(Errc::kUsage, shown + ": must be KEY=VALUE, both 1 to 64 of A-Z a-z 0-9 _ . -");
  }
  if (!labels.emplace(text.substr(0, equals), text.substr(equals + 1)).second) {
    return fail(Errc::kUsage, shown + ": that key is there already");
  }
  return {};
}

Result<Labels> parse_labels(const std::vector<std::string>& texts) {
  Labels labels;
  for (const std::string& text : texts) {
    if (const Result<> added = add_label(text, labels); !added) return Failure(added.error());
  }
  return labels;
}

Result<Labels> parse_label_list(std::string_view text) {
  Labels labels;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    if (const Result<> added = add_label(text.substr(0, end), labels); !added) return Failure(added.error());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return labels;
}

}  // namespace drover::cli
