// What a person sees: colours and a progress bar on a terminal, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace drover::cli {

enum class Colour { kRed, kGreen, kYellow, kDim, kBold };

// One of the standard streams.
class Terminal {
 public:
  // Colours only on a terminal that has them, and not if NO_COLOR is set (https://no-color.org).
  static Terminal of(std::FILE* stream);

  bool is_terminal() const { return is_terminal_; }
  // Columns, 80 if nobody knows.
  unsigned width() const { return width_; }
  // `text` in that colour, or as it is.
  std::string paint(Colour colour, std::string_view text) const;

 private:
  bool is_terminal_ = false;
  bool colours_ = false;
  unsigned width_ = 80;
};

// `text` with control characters but newline and tab written out (`\x1b`): what phones and servers send must
// not steer the terminal.
std::string printable(std::string_view text);

// How far a task is.
struct TaskCounts {
  std::uint64_t jobs = 0;
  std::uint64_t queued = 0;
  std::uint64_t running = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t lost = 0;
  std::uint64_t cancelled = 0;

  std::uint64_t ended() const { return succeeded + failed + lost + cancelled; }
};

// "998 ok, 2 failed"; what is 0 is left out.
std::string describe(const TaskCounts& counts);

// Progress on standard error: a bar on a terminal, elsewhere a line now and then.
class Progress {
 public:
  Progress();
  // `what` follows the numbers.
  void show(std::uint64_t done, std::uint64_t of, std::string_view what);
  void show(const TaskCounts& counts);
  // Takes the bar away again.
  void clear();

 private:
  void draw_bar(std::uint64_t done, std::uint64_t of, std::string_view what);

  Terminal terminal_;
  Seconds line_gap_{2};  // doubles up to half a minute: a log is no place for a bar
  SteadyTime begun_;
  SteadyTime next_line_;
  bool drawn_ = false;
};

}  // namespace drover::cli
