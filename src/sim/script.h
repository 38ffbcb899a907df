// A small imitation of Android's shell (mksh), enough for commands as people send them to fleets.
//
// Understood: ; && || newlines, ( ) and { }, quotes, comments, variables, $$ and $?, sh -c, eval, exec, and <
// > 2>&1 for /dev/null and files that can be read. Pipes, &, command substitution and control structures are
// refused as syntax errors. What the commands do is in builtins.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/command.h"
#include "sim/lexer.h"

namespace drover::sim {

class Phone;

class Script final : public Command {
 public:
  // Does nothing until advance(). `phone` and `owner` outlive it; `owner` only until hang_up().
  Script(Phone& phone, std::string_view text, CommandOwner& owner);
  ~Script() override;

  int pid() const override { return pid_; }
  Progress advance(Output& out, std::size_t limit) override;
  void wake() override;
  bool ended() const override { return ended_; }
  int status() const override { return status_; }
  void input(std::string_view bytes) override { input_.append(bytes); }
  void end_input() override { input_ended_ = true; }
  bool has_room() const override;
  void signal(int number) override;
  bool hang_up() override;

 private:
  enum class Sink : std::uint8_t { kStdout, kStderr, kNowhere };

  // Where a command reads and writes.
  struct Io {
    Sink out = Sink::kStdout;
    Sink err = Sink::kStderr;
    bool reads_host = true;
    std::string text;  // what there is to read otherwise
  };

  // A text being run: the script, and what ( ), { }, sh -c and eval put on top of it.
  struct Source {
    std::string text;
    std::size_t at = 0;
    bool run = true;  // false: what follows && or || is left out
    bool subshell = true;
    Io io;
    std::string exit_trap{};  // for when the text is at its end
    bool trapped = false;     // it has run or runs,
    int trapped_status = 0;   // and this status stays
  };

  // A command that takes its time.
  struct Task {
    enum Kind : std::uint8_t { kNone, kSleep, kRepeat, kGenerate, kCopyInput, kHang };
    Kind kind = kNone;
    Sink out = Sink::kStdout;
    std::uint64_t left = 0;  // kGenerate: bytes
    std::string line{};      // kRepeat
  };

  using Words = std::vector<std::string>;

  void step(Output& out);
  void group(Output& out, Lexer lexer, bool braces);
  void simple(Output& out, Token token, Lexer lexer);
  bool redirect(Output& out, const Token& token, Lexer& lexer, Io& io);
  void execute(Output& out, Words& words, Io& io);
  bool execute_special(Output& out, Words& words, Io& io);
  void end_source();
  bool linger();
  void trap(const Words& words);
  void begin_exit(const Words& words);
  void begin_sleep(Output& out, const Words& words, const Io& io);
  void begin_task(Task task);
  void kill(Output& out, const Words& words, const Io& io);
  void push(std::string text, bool subshell, const Io& io);

  Progress work(Output& out, std::size_t limit);
  void end_task(int status);
  void syntax_error(Output& out, std::string_view at);

  void expand(std::string_view raw, Words& words) const;
  std::string variable(std::string_view name) const;
  bool assign(std::string_view raw);

  static void write(Output& out, Sink sink, std::string_view bytes);
  void complain(Output& out, const Io& io, std::string_view what) const;

  Phone& phone_;
  CommandOwner* owner_;
  const int pid_;
  int last_status_ = 0;  // $?
  int status_ = 0;
  bool ended_ = false;
  bool woken_ = false;
  bool input_ended_ = false;
  bool killed_others_ = false;
  std::vector<Source> sources_;
  Task task_;
  std::string input_;
  std::unique_ptr<std::map<std::string, std::string, std::less<>>> variables_;
};

}  // namespace drover::sim
