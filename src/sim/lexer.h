// Cuts a shell script into words and operators, without expanding anything.
#pragma once

#include <cstdint>
#include <string_view>

namespace drover::sim {

struct Token {
  enum Kind : std::uint8_t {
    kEnd,
    kWord,       // text: as written, with its quotes
    kSemicolon,  // or a line's end
    kAnd,        // &&
    kOr,         // ||
    kOpen,       // (
    kClose,      // )
    kInput,      // <
    kOutput,     // >, n> and >>; fd tells which
    kDuplicate,  // n>&m: fd is n, text is m
    kBad,        // text: what is not understood
  };
  Kind kind = kEnd;
  std::uint8_t fd = 1;
  std::string_view text;
};

// The text outlives the lexer and its tokens.
class Lexer {
 public:
  explicit Lexer(std::string_view text, std::size_t at = 0) : text_(text), at_(at) {}

  Token next();
  Token peek() { return Lexer(*this).next(); }
  std::size_t position() const { return at_; }

 private:
  bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  void skip_blanks_and_comments();
  Token word();
  Token redirection();

  std::string_view text_;
  std::size_t at_;
};

}  // namespace drover::sim
