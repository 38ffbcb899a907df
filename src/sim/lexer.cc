#include "sim/lexer.h"

namespace drover::sim {
namespace {

constexpr std::string_view kWordEnds = " \t\n;&|<>()";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void Lexer::skip_blanks_and_comments() {
  while (at_ < text_.size()) {
    if (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r') {
      ++at_;
    } else if (starts("\\\n")) {
      at_ += 2;
    } else if (text_[at_] == '#') {
      const auto line_end = text_.find('\n', at_);
      at_ = line_end == std::string_view::npos ? text_.size() : line_end;
    } else {
      return;
    }
  }
}

Token Lexer::next() {
  skip_blanks_and_comments();
  if (at_ >= text_.size()) return {};
  const std::size_t begin = at_;
  const auto operation = [&](Token::Kind kind, std::size_t size) {
    at_ += size;
    return Token{.kind = kind, .text = text_.substr(begin, size)};
  };
  switch (text_[at_]) {
    case '\n':
    case ';':
      return starts(";;") ? operation(Token::kBad, 2) : operation(Token::kSemicolon, 1);
    case '&':
      return starts("&&") ? operation(Token::kAnd, 2) : operation(Token::kBad, 1);
    case '|':
      return starts("||") ? operation(Token::kOr, 2) : operation(Token::kBad, 1);
    case '(':
      return operation(Token::kOpen, 1);
    case ')':
      return operation(Token::kClose, 1);
    case '<':
    case '>':
      return redirection();
    default:
      if (is_digit(text_[at_]) && at_ + 1 < text_.size() &&
          (text_[at_ + 1] == '>' || text_[at_ + 1] == '<')) {
        return redirection();
      }
      return word();
  }
}

Token Lexer::redirection() {
  const std::size_t begin = at_;
  Token token;
  const bool numbered = is_digit(text_[at_]);
  if (numbered) token.fd = static_cast<std::uint8_t>(text_[at_++] - '0');
  if (text_[at_] == '<') {
    ++at_;
    token.kind = starts("<") || starts("&") || starts(">") || (numbered && token.fd != 0) ? Token::kBad
                                                                                          : Token::kInput;
    token.fd = 0;
  } else {
    ++at_;
    token.kind = token.fd == 1 || token.fd == 2 ? Token::kOutput : Token::kBad;
    if (starts(">") || starts("|")) {
      ++at_;
    } else if (starts("&")) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '1' || text_[at_] == '2') && token.kind != Token::kBad) {
        token.kind = Token::kDuplicate;
        token.text = text_.substr(at_++, 1);
        return token;
      }
      token.kind = Token::kBad;
    }
  }
  token.text = text_.substr(begin, at_ - begin);
  return token;
}

Token Lexer::word() {
  const std::size_t begin = at_;
  while (at_ < text_.size() && kWordEnds.find(text_[at_]) == std::string_view::npos) {
    const char c = text_[at_];
    const auto bad = [&](std::size_t size) {
      const Token token{.kind = Token::kBad, .text = text_.substr(at_, size)};
      at_ = text_.size();
      return token;
    };
    if (c == '`' || starts("$(")) return bad(c == '`' ? 1 : 2);
    if (c == '\\') {
      at_ += 2;
    } else if (c == '\'') {
      const auto close = text_.find('\'', at_ + 1);
      if (close == std::string_view::npos) return bad(1);
      at_ = close + 1;
    } else if (c == '"') {
      std::size_t close = at_ + 1;
      while (close < text_.size() && text_[close] != '"') {
        // Command substitution also works inside double quotes; saying so beats printing it.
        if (text_[close] == '`' || text_.substr(close).starts_with("$(")) {
          at_ = close;
          return bad(text_[close] == '`' ? 1 : 2);
        }
        close += text_[close] == '\\' ? 2 : 1;
      }
      if (close >= text_.size()) return bad(1);
      at_ = close + 1;
    } else {
      ++at_;
    }
  }
  if (at_ > text_.size()) at_ = text_.size();  // a backslash at the very end
  return {.kind = Token::kWord, .text = text_.substr(begin, at_ - begin)};
}

}  // namespace drover::sim
