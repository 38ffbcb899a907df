#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace drover::cli {
namespace {

const char* code_of(Colour colour) {
  switch (colour) {
    case Colour::kRed:
      return "\x1b[31m";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kDim:
      return "\x1b[2m";
    case Colour::kBold:
      return "\x1b[1m";
  }
  return "";
}

void append_escaped(std::string& out, unsigned char byte) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += "\\x";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

}  // namespace

Terminal Terminal::of(std::FILE* stream) {
  Terminal terminal;
  const int fd = ::fileno(stream);
  terminal.is_terminal_ = ::isatty(fd) == 1;
  if (!terminal.is_terminal_) return terminal;
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const term = std::getenv("TERM");
  const bool refused = no_color != nullptr && *no_color != '\0';
  terminal.colours_ = !refused && term != nullptr && std::strcmp(term, "dumb") != 0;
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) terminal.width_ = size.ws_col;
  return terminal;
}

std::string Terminal::paint(Colour colour, std::string_view text) const {
  if (!colours_) return std::string(text);
  return code_of(colour) + std::string(text) + "\x1b[0m";
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c0 = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
    // U+0080 to U+009F, which some terminals obey like ESC sequences.
    const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c0) {
      append_escaped(out, byte);
    } else if (c1) {
      append_escaped(out, static_cast<unsigned char>(text[++i]));
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string describe(const TaskCounts& counts) {
  std::string text;
  const auto add = [&text](std::uint64_t count, const char* what) {
    if (count == 0) return;
    if (!text.empty()) text += ", ";
    text += std::to_string(count) + ' ' + what;
  };
  add(counts.succeeded, "ok");
  add(counts.failed, "failed");
  add(counts.lost, "lost");
  add(counts.cancelled, "cancelled");
  add(counts.running, "running");
  add(counts.queued, "waiting");
  return text;
}

Progress::Progress()
    : terminal_(Terminal::of(stderr)),
      begun_(std::chrono::steady_clock::now()),
      next_line_(begun_ + line_gap_) {}

void Progress::show(const TaskCounts& counts) { show(counts.ended(), counts.jobs, describe(counts)); }

void Progress::show(std::uint64_t done, std::uint64_t of, std::string_view what) {
  if (terminal_.is_terminal()) {
    draw_bar(done, of, what);
    return;
  }
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now < next_line_) return;
  line_gap_ = std::min(line_gap_ * 2, Seconds(30));
  next_line_ = now + line_gap_;
  std::fprintf(stderr, "%llu of %llu: %.*s\n", static_cast<unsigned long long>(done),
               static_cast<unsigned long long>(of), static_cast<int>(what.size()), what.data());
}

void Progress::draw_bar(std::uint64_t done, std::uint64_t of, std::string_view what) {
  const auto passed = std::chrono::steady_clock::now() - begun_;
  const long long seconds = std::chrono::duration_cast<Seconds>(passed).count();
  std::string tail = "] " + std::to_string(done) + "/" + std::to_string(of) + "  ";
  tail.append(what).append("  ").append(std::to_string(seconds)).append(" s");
  const std::size_t room = terminal_.width() > 2 ? terminal_.width() - 2 : 1;
  tail.resize(std::min(tail.size(), room));
  const std::size_t cells = std::min<std::size_t>(room - tail.size(), 40);
  const std::size_t full = of == 0 ? cells : static_cast<std::size_t>(cells * done / of);
  const std::string bar = terminal_.paint(Colour::kGreen, std::string(full, '#'));
  std::fprintf(stderr, "\r\x1b[K[%s%s%s", bar.c_str(), std::string(cells - full, '.').c_str(), tail.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace drover::cli
