// Labels as every engine keeps them: KEY=VALUE, joined by newlines.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/types.h"

namespace drover::store {

// std::errc::invalid_argument for labels that this form cannot hold.
Result<std::string> text_of(const Labels& labels);
// kCorrupt.
Result<Labels> labels_of(std::string_view text);

}  // namespace drover::store
