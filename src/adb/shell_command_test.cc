#include "adb/shell_command.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "adb/shell_parser.h"

namespace drover::adb {
namespace {

struct Ran {
  std::uint32_t group = 0;  // as the wrapper told, or 0
  pid_t pid = 0;
  std::string out;  // output and errors in one, as they came
  int status = 0;   // of the shell
};

// What adbd does with a shell service: its own session, `sh -c`, input that never ends.
class RealShell {
 public:
  explicit RealShell(const std::string& service) {
    const std::string script = service.substr(service.find(':') + 1);
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe(in.data()) != 0 || ::pipe(out.data()) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setsid();
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::dup2(out[1], 2);
      for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      ::execl("/bin/sh", "/bin/sh", "-c", script.c_str(), nullptr);
      ::_exit(126);
    }
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }
  ~RealShell() {
    ::close(in_);
    ::close(out_);
  }

  // Reads until the first line is complete.
  std::uint32_t read_group() {
    PidLine line;
    while (line.state() == PidLine::State::kPending) {
      char c = 0;
      if (::read(out_, &c, 1) != 1) break;
      std::string_view byte(&c, 1);
      line.take(byte);
    }
    return line.group();
  }

  Ran finish() {
    Ran ran;
    ran.pid = pid_;
    std::array<char, 4096> buffer{};
    for (ssize_t size = 0; (size = ::read(out_, buffer.data(), buffer.size())) > 0;) {
      ran.out.append(buffer.data(), static_cast<std::size_t>(size));
    }
    ::waitpid(pid_, &ran.status, 0);
    return ran;
  }

 private:
  pid_t pid_ = 0;
  int in_ = -1;
  int out_ = -1;
};

Ran run_v2(std::string_view command) {
  RealShell shell(shell_v2_service(command));
  Ran ran = shell.finish();
  PidLine line;
  std::string_view out = ran.out;
  if (line.take(out) == PidLine::State::kFound) {
    ran.group = line.group();
    ran.out = std::string(out);
  }
  return ran;
}

struct LegacyRan {
  std::optional<int> exit_code;
  std::string out;
};

LegacyRan run_legacy(std::string_view command) {
  const std::string marker = make_marker();
  RealShell shell(legacy_shell_service(command, marker));
  const Ran ran = shell.finish();
  PidLine line;
  std::string_view out = ran.out;
  EXPECT_EQ(line.take(out), PidLine::State::kFound) << ran.out;
  LegacyParser parser(marker, line.crlf());
  LegacyRan result;
  parser.feed(out, result.out);
  result.exit_code = parser.finish(result.out);
  return result;
}

struct Case {
  std::string command;
  int exit_code;
  std::string out;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"echo hi; exit 3", 3, "hi\n"},
      {"", 0, ""},
      {"# nothing but a comment", 0, ""},
      {"echo a # and a comment", 0, "a\n"},
      {"printf abc", 0, "abc"},
      {"false", 1, ""},
      {"cat <<EOF\nline\nEOF", 0, "line\n"},
      {"echo one\necho two\n\n", 0, "one\ntwo\n"},
      {"cat; echo end of input", 0, "end of input\n"},
      {"exec sh -c 'exit 7'", 7, ""},
      {"trap 'echo bye' EXIT; exit 4", 4, "bye\n"},
      {"set -e; false; echo never", 1, ""},
      {"sleep 0.01 >/dev/null 2>&1 &", 0, ""},
      {"case x in x) echo m;; esac", 0, "m\n"},
      {"f() { return 9; }; f", 9, ""},
      {"echo 'it'\"'\"'s'", 0, "it's\n"},
  };
  return all;
}

TEST(ShellCommandTest, WrapperChangesNeitherOutputNorExitCode) {
  for (const Case& c : cases()) {
    const Ran ran = run_v2(c.command);
    EXPECT_EQ(ran.out, c.out) << c.command;
    EXPECT_TRUE(WIFEXITED(ran.status)) << c.command;
    EXPECT_EQ(WEXITSTATUS(ran.status), c.exit_code) << c.command;
    EXPECT_EQ(ran.group, static_cast<std::uint32_t>(ran.pid)) << c.command;
  }
}

TEST(ShellCommandTest, LegacyWrapperTellsTheExitCode) {
  for (const Case& c : cases()) {
    const LegacyRan ran = run_legacy(c.command);
    EXPECT_EQ(ran.out, c.out) << c.command;
    EXPECT_EQ(ran.exit_code, c.exit_code) << c.command;
  }
}

TEST(ShellCommandTest, SyntaxErrorsAreTheCommandsOwn) {
  for (const std::string command : {"if then", "echo )", "\"open", "echo one\nfi", "(", "done"}) {
    const Ran ran = run_v2(command);
    EXPECT_NE(WEXITSTATUS(ran.status), 0) << command;
    EXPECT_FALSE(ran.out.empty()) << command;
    const LegacyRan legacy = run_legacy(command);
    ASSERT_TRUE(legacy.exit_code) << command << legacy.out;
    EXPECT_NE(*legacy.exit_code, 0) << command;
    EXPECT_FALSE(legacy.out.empty()) << command;
  }
}

TEST(ShellCommandTest, KilledShellLeavesNoMarker) {
  const LegacyRan ran = run_legacy("echo begun; kill -9 $$");
  EXPECT_EQ(ran.exit_code, std::nullopt);
  EXPECT_EQ(ran.out, "begun\n");
}

TEST(ShellCommandTest, KillEndsTheWholeGroup) {
  // A child that does not care for TERM and keeps the output open: only KILL to the group gets rid of it.
  RealShell shell(
      shell_v2_service("sh -c 'trap \"\" TERM; echo ready; while :; do sleep 1; done'; echo not reached"));
  const std::uint32_t group = shell.read_group();
  ASSERT_GT(group, 1U);
  RealShell killer(kill_service(group, true));
  const Ran killed = killer.finish();
  EXPECT_EQ(killed.out, "");
  const Ran ran = shell.finish();  // returns only when nobody holds the output any more
  EXPECT_EQ(ran.out.find("not reached"), std::string::npos);
  EXPECT_TRUE(WIFSIGNALED(ran.status));
}

TEST(ShellCommandTest, LongestCommandJustFits) {
  for (const std::uint32_t payload : {4096U, 262'144U}) {
    const std::string v2_command(max_command_size(payload, true), 'x');
    EXPECT_EQ(shell_v2_service(v2_command).size() + 1, payload);
    const std::string legacy_command(max_command_size(payload, false), 'x');
    EXPECT_EQ(legacy_shell_service(legacy_command, make_marker()).size() + 1, payload);
  }
  EXPECT_EQ(max_command_size(0, true), 0U);
  EXPECT_EQ(max_command_size(0, false), 0U);
}

TEST(ShellCommandTest, MarkersDiffer) { EXPECT_NE(make_marker(), make_marker()); }

}  // namespace
}  // namespace drover::adb
