// What a phone's shell service sends, taken apart as it comes, in whatever pieces. All of it is hostile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace drover::adb {

// The line with the process group that the wrapper of shell_command.h prints before anything else.
class PidLine {
 public:
  enum class State {
    kPending,  // may still become the line
    kFound,
    kAbsent,  // what came is something else
  };

  // Takes from the front of `bytes` what belongs to the line. Once it is kAbsent, held() is what was taken
  // and not the line: output that came before `bytes`. To be called only while state() is kPending.
  State take(std::string_view& bytes);

  State state() const { return state_; }
  // The process group, if kFound: never 0 or 1, which `kill` would take for something else than a command's
  // group.
  std::uint32_t group() const { return group_; }
  // Whether the line ended in CR LF: then the phone puts a terminal between us and the command.
  bool crlf() const { return crlf_; }
  std::string_view held() const { return {held_.data(), size_}; }

 private:
  static constexpr std::size_t kMaxSize = 7 + 10 + 2;  // the tag, the digits of a pid, CR LF

  State judge(char next);
  State finish();

  std::array<char, kMaxSize> held_;
  std::uint8_t size_ = 0;
  bool crlf_ = false;
  State state_ = State::kPending;
  std::uint32_t group_ = 0;
};

// shell_v2: one byte of id, four of length (little-endian), data; over and over. Source: AOSP
// packages/modules/adb, shell_protocol.h. A length may be up to 4 GiB, so data is handed out as it comes and
// never collected.
class ShellV2Parser {
 public:
  enum class Kind {
    kMore,  // `bytes` is used up
    kStdout,
    kStderr,
    kExit,
    kBad,  // not shell_v2; there is no way to go on
  };
  struct Piece {
    Kind kind = Kind::kMore;
    std::string_view data;       // kStdout and kStderr: never empty, a part of `bytes`
    std::uint8_t exit_code = 0;  // kExit
  };

  // Takes the next piece off the front of `bytes`.
  Piece next(std::string_view& bytes);

 private:
  static constexpr std::size_t kHeaderSize = 5;

  bool take_header(std::string_view& bytes);
  bool header_is_good() const;

  std::array<char, kHeaderSize> header_{};
  std::uint8_t header_size_ = 0;
  std::uint32_t left_ = 0;  // data bytes of the current packet that have not come yet
};

// The service of a phone without shell_v2: output and errors in one, through a terminal that writes CR LF for
// LF, and at the end the marker with the exit code.
class LegacyParser {
 public:
  // `undo_crlf`: turn CR LF into LF.
  LegacyParser(std::string marker, bool undo_crlf) : marker_(std::move(marker)), undo_crlf_(undo_crlf) {}

  // Appends to `out` what is certain to be output. What may be the marker is held back: at most its size and
  // a number.
  void feed(std::string_view bytes, std::string& out);

  // At the end of the stream: the exit code if the last thing that came was the marker's line. Otherwise
  // nothing, and what was held back is output after all, appended to `out`.
  std::optional<int> finish(std::string& out);

 private:
  void take(char c, std::string& out);
  bool extends_marker_line(char c) const;
  bool marker_line_complete() const;

  std::string marker_;
  bool undo_crlf_;
  bool cr_ = false;   // a CR has come whose successor has not
  std::string held_;  // a beginning of marker, digits, LF
};

}  // namespace drover::adb
