#include "adb/shell_parser.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "adb/shell_command.h"

namespace drover::adb {
namespace {

constexpr char kStdoutId = 1;
constexpr char kStderrId = 2;
constexpr char kExitId = 3;
constexpr std::uint32_t kMaxPid = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kMaxPidDigits = 10;
constexpr std::size_t kMaxExitDigits = 3;
constexpr int kMaxExitCode = 255;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

PidLine::State PidLine::take(std::string_view& bytes) {
  std::size_t taken = 0;
  while (state_ == State::kPending && taken < bytes.size()) {
    const State after = judge(bytes[taken]);
    if (after == State::kAbsent) {
      state_ = after;
      break;  // this byte is not the line's, nor are those held
    }
    held_[size_++] = bytes[taken++];
    state_ = after;
  }
  bytes.remove_prefix(taken);
  return state_;
}

// What the line is once `next` has been added.
PidLine::State PidLine::judge(char next) {
  static_assert(kMaxSize == kPidTag.size() + kMaxPidDigits + 2);
  if (size_ < kPidTag.size()) return next == kPidTag[size_] ? State::kPending : State::kAbsent;
  if (next == '\n') return finish();
  if (crlf_) return State::kAbsent;
  if (next == '\r') {
    crlf_ = true;
    return State::kPending;
  }
  return is_digit(next) && size_ < kPidTag.size() + kMaxPidDigits ? State::kPending : State::kAbsent;
}

PidLine::State PidLine::finish() {
  const char* begin = held_.data() + kPidTag.size();
  const char* end = held_.data() + size_ - (crlf_ ? 1 : 0);
  std::uint32_t group = 0;
  const auto [stop, error] = std::from_chars(begin, end, group);
  if (error != std::errc() || stop != end || group <= 1 || group > kMaxPid) return State::kAbsent;
  group_ = group;
  return State::kFound;
}

ShellV2Parser::Piece ShellV2Parser::next(std::string_view& bytes) {
  while (left_ == 0) {
    if (!take_header(bytes)) return {};
    std::memcpy(&left_, header_.data() + 1, sizeof left_);
    if (!header_is_good()) return {.kind = Kind::kBad, .data = {}};
  }
  if (bytes.empty()) return {};
  const std::string_view data = bytes.substr(0, left_);
  bytes.remove_prefix(data.size());
  left_ -= static_cast<std::uint32_t>(data.size());
  if (left_ == 0) header_size_ = 0;
  if (header_[0] == kExitId) {
    return {.kind = Kind::kExit, .data = {}, .exit_code = static_cast<std::uint8_t>(data[0])};
  }
  return {.kind = header_[0] == kStdoutId ? Kind::kStdout : Kind::kStderr, .data = data};
}

// Begins a new packet. False if its header is not complete yet.
bool ShellV2Parser::take_header(std::string_view& bytes) {
  if (header_size_ == kHeaderSize) header_size_ = 0;  // the packet before had no data
  const std::size_t take = std::min(bytes.size(), kHeaderSize - header_size_);
  std::copy_n(bytes.data(), take, header_.data() + header_size_);
  bytes.remove_prefix(take);
  header_size_ = static_cast<std::uint8_t>(header_size_ + take);
  return header_size_ == kHeaderSize;
}

bool ShellV2Parser::header_is_good() const {
  if (header_[0] == kExitId) return left_ == 1;
  return header_[0] == kStdoutId || header_[0] == kStderrId;
}

void LegacyParser::feed(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    if (held_.empty() && !cr_) {
      // Nearly all output is neither CR nor the marker's first letter: copy it in one go.
      const std::size_t plain = bytes.find_first_of(std::string{'\r', marker_[0]});
      out.append(bytes.substr(0, plain));
      if (plain == std::string_view::npos) return;
      bytes.remove_prefix(plain);
    }
    const char c = bytes.front();
    bytes.remove_prefix(1);
    if (cr_) {
      cr_ = false;
      if (c != '\n') take('\r', out);
    }
    if (c == '\r' && undo_crlf_) {
      cr_ = true;
    } else {
      take(c, out);
    }
  }
}

std::optional<int> LegacyParser::finish(std::string& out) {
  if (cr_) take('\r', out);
  cr_ = false;
  if (marker_line_complete()) {
    int code = 0;
    const auto [stop, error] =
        std::from_chars(held_.data() + marker_.size(), held_.data() + held_.size(), code);
    if (error == std::errc() && *stop == '\n' && code <= kMaxExitCode) return code;
  }
  out += held_;
  held_.clear();
  return std::nullopt;
}

void LegacyParser::take(char c, std::string& out) {
  while (!held_.empty() && !extends_marker_line(c)) {
    // Not the marker after all: its first byte is output, and the rest may be the beginning of another one.
    out += held_.front();
    std::string rest = held_.substr(1);
    held_.clear();
    for (const char again : rest) take(again, out);
  }
  if (held_.empty() && c != marker_[0]) {
    out += c;
  } else {
    held_ += c;
  }
}

bool LegacyParser::extends_marker_line(char c) const {
  if (held_.size() < marker_.size()) return c == marker_[held_.size()];
  if (marker_line_complete()) return false;
  const std::size_t digits = held_.size() - marker_.size();
  return c == '\n' ? digits > 0 : is_digit(c) && digits < kMaxExitDigits;
}

bool LegacyParser::marker_line_complete() const {
  return held_.size() > marker_.size() && held_.back() == '\n';
}

}  // namespace drover::adb
