#include "adb/shell_stream.h"

#include <optional>
#include <string>
#include <utility>

#include "adb/errc.h"
#include "adb/host_session.h"
#include "adb/shell_command.h"
#include "adb/shell_parser.h"

namespace drover::adb {
namespace {

constexpr Millis kKillAnswer{5'000};
constexpr Millis kKillLifetime{10'000};

// The second stream, in which the group of another is killed. The session owns it, because the other's user
// may be gone as soon as TERM has done its work, and adbd would hang up on the KILL that is to follow.
class KillStream final : public Stream {
 private:
  void on_data(std::string_view) override {}
  void on_end(std::error_code, bool) override {}
  void on_deadline() override { session()->close(*this); }
};

void kill_group(HostSession& session, std::uint32_t group) {
  auto stream = std::make_unique<KillStream>();
  session.open(*stream, kill_service(group, session.shell_v2()));
  session.set_deadline(*stream, session.clock().steady() + kKillLifetime);
  session.adopt(std::move(stream));
}

// What both kinds of shell have in common: the process group's line, killing, and the end.
class ShellStream : public Shell, public Stream {
 public:
  explicit ShellStream(ShellEvents& events) : events_(events) {}
  ~ShellStream() override {
    if (destroyed_ != nullptr) *destroyed_ = true;
  }

  void kill() final;

 protected:
  // These return false if no more may be done: the shell was destroyed, or its connection.
  bool read_pid_line(std::string_view& bytes);
  bool tell(Output from, std::string_view bytes);

  const PidLine& pid_line() const { return pid_line_; }
  // Hangs up and tells the end.
  void hang_up(ShellEnd end);

 private:
  // What came on standard output, without the process group's line.
  virtual bool on_stdout(std::string_view bytes) = 0;
  // At the end: appends to `out` the output that was still held back, and returns the exit code if that held
  // one.
  virtual std::optional<int> drain(std::string& out) = 0;

  void on_end(std::error_code why, bool may_have_begun) final;
  void on_deadline() final;
  bool tell_alive(Output from, std::string_view bytes);
  void finish(ShellEnd end);
  void kill_or_hang_up();

  ShellEvents& events_;
  bool* destroyed_ = nullptr;  // where to note it, while events_ is told something
  bool kill_wanted_ = false;
  PidLine pid_line_;
};

void ShellStream::kill() {
  if (session() == nullptr || kill_wanted_) return;
  kill_wanted_ = true;
  session()->set_deadline(*this, session()->clock().steady() + kKillAnswer);
  kill_or_hang_up();
}

void ShellStream::kill_or_hang_up() {
  if (pid_line_.state() == PidLine::State::kFound) kill_group(*session(), pid_line_.group());
  // Without a group, all that is left is adbd's SIGHUP: on_deadline, as soon as may be.
  if (pid_line_.state() == PidLine::State::kAbsent)
    session()->set_deadline(*this, session()->clock().steady());
}

bool ShellStream::read_pid_line(std::string_view& bytes) {
  if (pid_line_.state() != PidLine::State::kPending) return true;
  const PidLine::State state = pid_line_.take(bytes);
  if (kill_wanted_) kill_or_hang_up();
  return state != PidLine::State::kAbsent || on_stdout(pid_line_.held());
}

bool ShellStream::tell(Output from, std::string_view bytes) {
  return bytes.empty() || (tell_alive(from, bytes) && session() != nullptr);
}

// False if the shell was destroyed in the call.
bool ShellStream::tell_alive(Output from, std::string_view bytes) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  events_.on_output(from, bytes);
  if (!destroyed) destroyed_ = nullptr;
  return !destroyed;
}

// One that the phone has not acknowledged could still begin after its end was told, if the network was only
// slow. It is waited for: either the phone does so, or the session ends because it does not.
void ShellStream::on_deadline() {
  if (!acknowledged()) return session()->set_deadline(*this, session()->clock().steady() + kKillAnswer);
  hang_up({.exit_code = std::nullopt, .why = Errc::kTimeout});
}

void ShellStream::hang_up(ShellEnd end) {
  session()->close(*this);
  finish(end);
}

void ShellStream::on_end(std::error_code why, bool may_have_begun) {
  finish({.exit_code = std::nullopt, .why = why, .may_have_begun = may_have_begun});
}

void ShellStream::finish(ShellEnd end) {
  std::string rest;
  const std::optional<int> code = drain(rest);
  if (!end.exit_code && code) end = {.exit_code = code, .why = {}};
  if (!rest.empty() && !tell_alive(Output::kStdout, rest)) return;
  events_.on_end(end);
}

class ShellV2Stream final : public ShellStream {
 public:
  using ShellStream::ShellStream;

 private:
  void on_data(std::string_view bytes) override;
  bool on_stdout(std::string_view bytes) override { return tell(Output::kStdout, bytes); }
  std::optional<int> drain(std::string& out) override;

  ShellV2Parser parser_;
};

void ShellV2Stream::on_data(std::string_view bytes) {
  while (true) {
    ShellV2Parser::Piece piece = parser_.next(bytes);
    switch (piece.kind) {
      case ShellV2Parser::Kind::kMore:
        return;
      case ShellV2Parser::Kind::kStdout:
        if (!read_pid_line(piece.data) || !on_stdout(piece.data)) return;
        break;
      case ShellV2Parser::Kind::kStderr:
        if (!tell(Output::kStderr, piece.data)) return;
        break;
      case ShellV2Parser::Kind::kExit:
        // The phone's own CLSE is not waited for: nothing more can come.
        return hang_up({.exit_code = piece.exit_code, .why = {}});
      case ShellV2Parser::Kind::kBad:
        return hang_up({.exit_code = std::nullopt, .why = Errc::kProtocol});
    }
  }
}

std::optional<int> ShellV2Stream::drain(std::string& out) {
  if (pid_line().state() == PidLine::State::kPending) out = pid_line().held();
  return std::nullopt;
}

class LegacyStream final : public ShellStream {
 public:
  LegacyStream(ShellEvents& events, std::string marker) : ShellStream(events), marker_(std::move(marker)) {}

 private:
  void on_data(std::string_view bytes) override;
  bool on_stdout(std::string_view bytes) override;
  std::optional<int> drain(std::string& out) override;
  LegacyParser& parser();

  std::string marker_;
  std::optional<LegacyParser> parser_;
};

void LegacyStream::on_data(std::string_view bytes) {
  if (read_pid_line(bytes) && !bytes.empty()) on_stdout(bytes);
}

bool LegacyStream::on_stdout(std::string_view bytes) {
  std::string out;
  parser().feed(bytes, out);
  return tell(Output::kStdout, out);
}

std::optional<int> LegacyStream::drain(std::string& out) {
  if (pid_line().state() == PidLine::State::kPending) parser().feed(pid_line().held(), out);
  return parser().finish(out);
}

// Made when the process group's line has told whether there is a terminal; without that line there probably
// is one.
LegacyParser& LegacyStream::parser() {
  if (!parser_) {
    const bool terminal = pid_line().state() != PidLine::State::kFound || pid_line().crlf();
    parser_.emplace(marker_, terminal);
  }
  return *parser_;
}

}  // namespace

std::unique_ptr<Shell> start_shell(HostSession& session, std::string_view command, ShellEvents& events) {
  if (session.shell_v2()) {
    auto shell = std::make_unique<ShellV2Stream>(events);
    session.open(*shell, shell_v2_service(command));
    return shell;
  }
  const std::string marker = make_marker();
  auto shell = std::make_unique<LegacyStream>(events, marker);
  session.open(*shell, legacy_shell_service(command, marker));
  return shell;
}

}  // namespace drover::adb
