#include "store/label_text.h"

#include <algorithm>

#include "store/errc.h"

namespace drover::store {

Result<std::string> text_of(const Labels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) {
    if (key.find_first_of("=\n") != std::string::npos || value.find('\n') != std::string::npos)
      return failure(std::make_error_code(std::errc::invalid_argument), "a label cannot be stored");
    if (!text.empty()) text += '\n';
    text.append(key).append("=").append(value);
  }
  return text;
}

Result<Labels> labels_of(std::string_view text) {
  Labels labels;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t middle = line.find('=');
    if (middle == std::string_view::npos) return failure(Errc::kCorrupt, "an instance's labels");
    labels.emplace(line.substr(0, middle), line.substr(middle + 1));
  }
  return labels;
}

}  // namespace drover::store
