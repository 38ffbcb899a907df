// Tokens in texts that are kept: they come there when somebody gives one where an id or a name belongs.
#pragma once

#include <cstddef>
#include <string>

namespace drover {

// Replaces what follows "drv_" or "drs_" in `text`, from `from` on, by "***" where it is long enough to be a
// token's and too long to be an instance id's.
void hide_tokens(std::string& text, std::size_t from = 0);

}  // namespace drover
