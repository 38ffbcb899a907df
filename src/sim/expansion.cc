#include "sim/expansion.h"

#include <utility>

namespace drover::sim {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The names of one character that are not names elsewhere: $$, $?, $1 and so on.
bool is_special(char c) { return std::string_view("$?#!@*0123456789").find(c) != std::string_view::npos; }

// Where the word stands while it is read.
class Expansion {
 public:
  Expansion(std::string_view raw, const std::function<std::string(std::string_view)>& lookup,
            std::vector<std::string>& words)
      : raw_(raw), lookup_(lookup), words_(words) {}

  void run() {
    for (; at_ < raw_.size(); ++at_) {
      const char c = raw_[at_];
      if (c == '"') {
        quoted_ = !quoted_;
        any_ = true;
      } else if (c == '\'' && !quoted_) {
        single_quotes();
      } else if (c == '\\' && at_ + 1 < raw_.size()) {
        backslash();
      } else if (c != '$' || !variable()) {
        put(c);
      }
    }
    if (any_) words_.push_back(std::move(word_));
  }

 private:
  void put(char c) {
    word_.push_back(c);
    any_ = true;
  }

  void single_quotes() {
    const auto close = raw_.find('\'', at_ + 1);
    word_.append(raw_.substr(at_ + 1, close - at_ - 1));
    any_ = true;
    at_ = close;
  }

  void backslash() {
    const char next = raw_[++at_];
    const bool escapes =
        !quoted_ || next == '$' || next == '`' || next == '"' || next == '\\' || next == '\n';
    if (!escapes) put('\\');
    if (!escapes || next != '\n') put(next);
  }

  // False if the $ here is just a character.
  bool variable() {
    std::size_t begin = at_ + 1;
    const bool braces = begin < raw_.size() && raw_[begin] == '{';
    if (braces) ++begin;
    std::size_t end = name_end(raw_, begin);
    if (end == begin && begin < raw_.size() && is_special(raw_[begin])) ++end;
    if (end == begin || (braces && (end >= raw_.size() || raw_[end] != '}'))) return false;
    const std::string value = lookup_(raw_.substr(begin, end - begin));
    at_ = braces ? end : end - 1;
    for (const char c : value) {
      if (quoted_ || (c != ' ' && c != '\t' && c != '\n')) {
        put(c);
      } else if (any_) {
        words_.push_back(std::exchange(word_, {}));
        any_ = false;
      }
    }
    return true;
  }

  const std::string_view raw_;
  const std::function<std::string(std::string_view)>& lookup_;
  std::vector<std::string>& words_;
  std::string word_;
  std::size_t at_ = 0;
  bool any_ = false;  // also '' is a word
  bool quoted_ = false;
};

}  // namespace

std::size_t name_end(std::string_view text, std::size_t at) {
  if (at < text.size() && text[at] >= '0' && text[at] <= '9') return at;
  while (at < text.size() && is_name_char(text[at])) ++at;
  return at;
}

void expand_word(std::string_view raw, const std::function<std::string(std::string_view)>& lookup,
                 std::vector<std::string>& words) {
  if (raw.find_first_of("'\"\\$") == std::string_view::npos) {
    words.emplace_back(raw);
  } else {
    Expansion(raw, lookup, words).run();
  }
}

}  // namespace drover::sim
