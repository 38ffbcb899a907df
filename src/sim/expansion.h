// What a shell makes of one word of a script: quotes go, variables get their values.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace drover::sim {

// `raw` is a word as the lexer cuts it. Appends the words that it stands for: an unquoted variable may make
// several of it, or none. `lookup` returns the value of a variable, empty if there is none.
void expand_word(std::string_view raw, const std::function<std::string(std::string_view name)>& lookup,
                 std::vector<std::string>& words);

// The end of the variable name that begins at `at`; `at` itself if none does.
std::size_t name_end(std::string_view text, std::size_t at);

}  // namespace drover::sim
