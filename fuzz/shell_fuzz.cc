// What a phone's shell service may send, cut in any way: the pieces must come to the same as the whole.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "adb/banner.h"
#include "adb/shell_parser.h"
#include "base/utf8.h"

namespace {

using namespace drover::adb;

constexpr std::string_view kMarker = "drover-0123456789abcdef:";

struct Seen {
  std::string out, err;
  int exit_code = -1;
  bool bad = false;
  bool operator==(const Seen&) const = default;
};

std::string_view take_piece(std::string_view& rest, std::size_t size) {
  const std::string_view piece = rest.substr(0, size);
  rest.remove_prefix(piece.size());
  return piece;
}

Seen parse_v2(std::string_view rest, std::size_t size) {
  ShellV2Parser parser;
  Seen seen;
  while (!rest.empty()) {
    std::string_view part = take_piece(rest, size);
    while (true) {
      const ShellV2Parser::Piece piece = parser.next(part);
      if (piece.kind == ShellV2Parser::Kind::kMore) break;
      if (piece.kind == ShellV2Parser::Kind::kStdout) seen.out += piece.data;
      if (piece.kind == ShellV2Parser::Kind::kStderr) seen.err += piece.data;
      if (piece.kind == ShellV2Parser::Kind::kExit) seen.exit_code = piece.exit_code;
      if (piece.kind == ShellV2Parser::Kind::kBad) {
        seen.bad = true;
        return seen;
      }
    }
    if (!part.empty()) std::abort();
  }
  return seen;
}

Seen parse_legacy(std::string_view rest, std::size_t size) {
  LegacyParser parser{std::string(kMarker), true};
  Seen seen;
  while (!rest.empty()) parser.feed(take_piece(rest, size), seen.out);
  seen.exit_code = parser.finish(seen.out).value_or(-1);
  return seen;
}

Seen parse_pid_line(std::string_view rest, std::size_t size) {
  PidLine line;
  Seen seen;
  while (!rest.empty()) {
    std::string_view part = take_piece(rest, size);
    if (line.state() == PidLine::State::kPending && line.take(part) == PidLine::State::kAbsent)
      seen.out += line.held();
    seen.out += part;
  }
  if (line.state() == PidLine::State::kPending) seen.out += line.held();
  if (line.state() == PidLine::State::kFound && line.group() <= 1) std::abort();
  seen.exit_code = static_cast<int>(line.group());
  return seen;
}

void compare(std::string_view bytes, std::size_t size) {
  if (parse_v2(bytes, size) != parse_v2(bytes, bytes.size())) std::abort();
  if (parse_legacy(bytes, size) != parse_legacy(bytes, bytes.size())) std::abort();
  if (parse_pid_line(bytes, size) != parse_pid_line(bytes, bytes.size())) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t piece = data[0] % 32 + 1;
  compare(bytes, piece);
  compare(std::string("drover:").append(bytes), piece);
  compare(std::string(bytes).append(kMarker).append(bytes.substr(0, 5)), piece);
  const auto banner = parse_device_banner(std::string("device::").append(bytes));
  if (!banner || !drover::is_utf8(banner->model) || banner->model.size() > 128) std::abort();
  return 0;
}
