// Labels of instances as people write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/types.h"

namespace drover::cli {

using store::Labels;

// One "key=value", added to `labels`. kUsage: not of that form, a part that is not 1 to 64 of
// A-Z a-z 0-9 _ . -, or a key that is there already.
Result<> add_label(std::string_view text, Labels& labels);

Result<Labels> parse_labels(const std::vector<std::string>& texts);
// "key=value;key=value"; empty: none.
Result<Labels> parse_label_list(std::string_view text);

}  // namespace drover::cli
