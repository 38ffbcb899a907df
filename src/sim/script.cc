#include "sim/script.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "sim/android.h"
#include "sim/builtins.h"
#include "sim/expansion.h"
#include "sim/phone.h"
#include "sim/signals.h"

namespace drover::sim {
namespace {

constexpr std::string_view kShell = "/system/bin/sh";
constexpr std::size_t kMaxInput = std::size_t{64} * 1024;  // as much as a pipe holds
constexpr std::size_t kMaxDepth = 16;
constexpr int kNotFound = 127;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view base_name(std::string_view path) {
  for (const std::string_view directory : {"/system/bin/", "/system/xbin/", "/vendor/bin/"}) {
    if (path.starts_with(directory)) return path.substr(directory.size());
  }
  return path;
}

// Moves `lexer` behind the ) or } that closes a group and returns where the group's text ends.
std::optional<std::size_t> find_close(Lexer& lexer, bool braces) {
  int depth = 1;
  bool command_position = true;
  while (true) {
    const Token token = lexer.next();
    if (token.kind == Token::kEnd || token.kind == Token::kBad) return std::nullopt;
    if (braces && token.kind == Token::kWord && command_position) {
      if (token.text == "{") ++depth;
      if (token.text == "}") --depth;
    } else if (!braces) {
      if (token.kind == Token::kOpen) ++depth;
      if (token.kind == Token::kClose) --depth;
    }
    if (depth == 0) return lexer.position() - 1;
    command_position = token.kind != Token::kWord || (command_position && token.text == "{");
  }
}

bool is_redirection(Token::Kind kind) {
  return kind == Token::kInput || kind == Token::kOutput || kind == Token::kDuplicate;
}

bool is_complete(const Token& redirection, Lexer rest) {
  return redirection.kind == Token::kDuplicate || rest.next().kind == Token::kWord;
}

}  // namespace

Script::Script(Phone& phone, std::string_view text, CommandOwner& owner)
    : phone_(phone), owner_(&owner), pid_(phone.new_pid()) {
  phone_.enter(*this);
  push(std::string(text), true, {});
}

Script::~Script() { phone_.leave(*this); }

bool Script::has_room() const { return input_.size() < kMaxInput; }

void Script::push(std::string text, bool subshell, const Io& io) {
  sources_.push_back(Source{.text = std::move(text), .subshell = subshell, .io = io});
}

Progress Script::advance(Output& out, std::size_t limit) {
  while (!ended_) {
    if (task_.kind != Task::kNone) {
      if (const Progress progress = work(out, limit); progress != Progress::kEnded) return progress;
    } else if (out.size() >= limit) {
      return Progress::kMore;
    } else {
      step(out);
    }
  }
  return Progress::kEnded;
}

void Script::step(Output& out) {
  Source& source = sources_.back();
  Lexer lexer(source.text, source.at);
  const Token token = lexer.next();
  source.at = lexer.position();
  switch (token.kind) {
    case Token::kEnd:
      return end_source();
    case Token::kSemicolon:
      source.run = true;
      return;
    case Token::kAnd:
    case Token::kOr:
      source.run = (last_status_ == 0) == (token.kind == Token::kAnd);
      while (true) {
        const Token next = lexer.peek();
        if (next.kind != Token::kSemicolon || next.text != "\n") break;
        lexer.next();
      }
      source.at = lexer.position();
      return;
    case Token::kOpen:
      return group(out, lexer, false);
    case Token::kClose:
    case Token::kBad:
      return syntax_error(out, token.text);
    case Token::kWord:
      if (token.text == "{") return group(out, lexer, true);
      break;
    default:
      break;
  }
  simple(out, token, lexer);
}

void Script::end_source() {
  Source& source = sources_.back();
  const bool last = sources_.size() == 1;
  if ((last || !source.exit_trap.empty()) && linger()) return;
  if (!source.exit_trap.empty()) {
    const std::string text = std::exchange(source.exit_trap, {});
    // On a phone without exit codes the trap is how a host learns of one.
    if (phone_.faults().has(FaultKind::kNoExit)) return;
    source.trapped = true;
    source.trapped_status = last_status_;
    return push(text, false, source.io);
  }
  if (source.trapped) last_status_ = source.trapped_status;
  if (last) {
    status_ = last_status_;
    ended_ = true;
  } else {
    sources_.pop_back();
  }
}

// Whether the script goes on after its end, because that is what is wrong with this phone. One that hangs
// must still be able to kill what hangs.
bool Script::linger() {
  if (killed_others_) return false;
  if (phone_.faults().has(FaultKind::kHang)) {
    begin_task({.kind = Task::kHang});
  } else if (phone_.faults().has(FaultKind::kEndless)) {
    begin_task({.kind = Task::kRepeat, .line = "endless output of a simulated phone\n"});
  } else {
    return false;
  }
  return true;
}

void Script::group(Output& out, Lexer lexer, bool braces) {
  const std::size_t begin = lexer.position();
  const auto end = find_close(lexer, braces);
  if (!end) return syntax_error(out, braces ? "{" : "(");
  Io io = sources_.back().io;
  bool failed = false;
  while (is_redirection(lexer.peek().kind)) {
    const Token token = lexer.next();
    if (!is_complete(token, lexer)) return syntax_error(out, token.text);
    failed = !redirect(out, token, lexer, io) || failed;
  }
  Source& source = sources_.back();
  source.at = lexer.position();
  if (!source.run) return;
  if (failed) {
    last_status_ = 1;
    return;
  }
  if (sources_.size() >= kMaxDepth) return syntax_error(out, "(");
  push(source.text.substr(begin, *end - begin), !braces, io);
}

void Script::simple(Output& out, Token token, Lexer lexer) {
  Words words;
  Io io = sources_.back().io;
  const bool run = sources_.back().run;
  bool failed = false;
  while (true) {
    if (token.kind == Token::kWord) {
      if (run && !(words.empty() && assign(token.text))) expand(token.text, words);
    } else if (is_redirection(token.kind) && is_complete(token, lexer)) {
      failed = !redirect(out, token, lexer, io) || failed;
    } else {
      return syntax_error(out, token.text);
    }
    sources_.back().at = lexer.position();
    token = lexer.next();
    if (token.kind == Token::kEnd || token.kind == Token::kSemicolon || token.kind == Token::kAnd ||
        token.kind == Token::kOr || token.kind == Token::kClose) {
      break;
    }
  }
  if (!run) return;
  if (!failed && !words.empty()) return execute(out, words, io);
  last_status_ = failed ? 1 : 0;
}

// False if the command must not run. `token` is complete.
bool Script::redirect(Output& out, const Token& token, Lexer& lexer, Io& io) {
  const bool run = sources_.back().run;
  if (token.kind == Token::kDuplicate) {
    (token.fd == 2 ? io.err : io.out) = token.text == "1" ? io.out : io.err;
    return true;
  }
  const Token target = lexer.next();
  if (!run) return true;
  Words path;
  expand(target.text, path);
  if (path.size() != 1) path.assign(1, std::string());
  if (token.kind == Token::kOutput) {
    if (path[0] != "/dev/null") {
      complain(out, io, fmt::format("can't create {}: Read-only file system", path[0]));
      return false;
    }
    (token.fd == 2 ? io.err : io.out) = Sink::kNowhere;
    return true;
  }
  auto text = read_file(phone_, path[0]);
  if (!text) {
    complain(out, io, fmt::format("can't open {}: No such file or directory", path[0]));
    return false;
  }
  io.reads_host = false;
  io.text = std::move(*text);
  return true;
}

void Script::execute(Output& out, Words& words, Io& io) {
  if (words[0] == "exec") {
    if (words.size() == 1) {
      sources_.back().io = io;
      last_status_ = 0;
      return;
    }
    words.erase(words.begin());
    // Nothing of this shell is left once the command has taken its place.
    for (std::size_t i = sources_.size(); i-- > 0;) {
      sources_[i].at = sources_[i].text.size();
      sources_[i].exit_trap.clear();
      if (sources_[i].subshell) break;
    }
  }
  if (const std::string_view name = base_name(words[0]); name.size() != words[0].size())
    words[0] = std::string(name);
  if (execute_special(out, words, io)) return;
  const Builtin builtin = find_builtin(words[0]);
  if (builtin == nullptr) {
    complain(out, io, fmt::format("{}: inaccessible or not found", words[0]));
    last_status_ = kNotFound;
    return;
  }
  BuiltinCall call{.phone = phone_, .words = words, .input = std::move(io.text), .out = {}, .err = {}};
  last_status_ = builtin(call);
  write(out, io.out, call.out);
  write(out, io.err, call.err);
}

// The commands that change the course of the script, or take time.
bool Script::execute_special(Output& out, Words& words, Io& io) {
  const std::string& name = words[0];
  if (name == "exit") {
    begin_exit(words);
  } else if (name == "trap") {
    trap(words);
  } else if (name == "sleep") {
    begin_sleep(out, words, io);
  } else if (name == "kill") {
    kill(out, words, io);
  } else if (name == "cat" && words.size() == 1 && io.reads_host) {
    begin_task({.kind = Task::kCopyInput, .out = io.out});
  } else if (name == "yes") {
    begin_task({.kind = Task::kRepeat, .out = io.out, .line = (words.size() > 1 ? words[1] : "y") + "\n"});
  } else if (name == "gen") {
    const auto bytes = words.size() == 2 ? parse_number<std::uint64_t>(words[1]) : std::nullopt;
    if (!bytes) {
      write(out, io.err, "usage: gen BYTES\n");
      last_status_ = 1;
    } else {
      begin_task({.kind = Task::kGenerate, .out = io.out, .left = *bytes});
    }
  } else if (name == "sh" || name == "eval") {
    const bool shell = name == "sh";
    if (sources_.size() >= kMaxDepth || (shell && (words.size() < 3 || words[1] != "-c"))) {
      complain(out, io, fmt::format("{}: only sh -c is simulated, {} deep", name, kMaxDepth));
      last_status_ = 1;
      return true;
    }
    std::string text = shell ? words[2] : std::string();
    for (std::size_t i = 1; !shell && i < words.size(); ++i) text.append(words[i]).append(" ");
    if (shell) last_status_ = 0;
    push(std::move(text), shell, io);
  } else {
    return false;
  }
  return true;
}

void Script::begin_exit(const Words& words) {
  if (words.size() > 1) last_status_ = parse_number<int>(words[1]).value_or(1) & 0xff;
  while (sources_.size() > 1 && !sources_.back().subshell) sources_.pop_back();
  sources_.back().at = sources_.back().text.size();
}

// Only the shell's end is caught: no signal is.
void Script::trap(const Words& words) {
  last_status_ = 0;
  if (words.size() != 3 || (words[2] != "0" && words[2] != "EXIT")) return;
  std::size_t shell = sources_.size() - 1;
  while (!sources_[shell].subshell) --shell;
  sources_[shell].exit_trap = words[1];
}

void Script::begin_sleep(Output& out, const Words& words, const Io& io) {
  constexpr double kLongest = 1e6;
  const auto seconds = words.size() == 2 ? parse_number<double>(words[1]) : std::nullopt;
  if (!seconds || !(*seconds >= 0)) {
    write(out, io.err, "usage: sleep SECONDS\n");
    last_status_ = 1;
    return;
  }
  begin_task({.kind = Task::kSleep});
  woken_ = false;
  owner_->wake_after(Millis(static_cast<Millis::rep>(std::ceil(std::min(*seconds, kLongest) * 1000))));
}

void Script::begin_task(Task task) { task_ = std::move(task); }

void Script::kill(Output& out, const Words& words, const Io& io) {
  std::size_t next = 1;
  int number = SIGTERM;
  last_status_ = 0;
  if (words.size() > 2 && words[1] == "-s") {
    number = signal_number(words[2]).value_or(-1);
    next = 3;
  } else if (words.size() > 1 && words[1].size() > 1 && words[1][0] == '-' && words[1] != "--") {
    number = signal_number(std::string_view(words[1]).substr(1)).value_or(-1);
    next = 2;
  }
  if (next < words.size() && words[next] == "--") ++next;
  if (number < 0 || next >= words.size()) {
    complain(out, io, "kill: bad signal or no process");
    last_status_ = 1;
    return;
  }
  killed_others_ = true;
  for (; next < words.size() && !ended_; ++next) {
    const int pid = parse_number<int>(words[next]).value_or(0);
    // Every command is a process group of its own with no other process in it, so -pid and pid are the same.
    const int target = pid < 0 ? -pid : pid;
    if (target == pid_) {
      if (ends_process(number)) {
        status_ = 128 | number;
        ended_ = true;
      }
    } else if (target == 0 || !phone_.signal(target, number)) {
      complain(out, io, fmt::format("kill: {}: No such process", words[next]));
      last_status_ = 1;
    }
  }
}

// kEnded: the task is over and the script goes on.
Progress Script::work(Output& out, std::size_t limit) {
  switch (task_.kind) {
    case Task::kSleep:
      if (!woken_) return Progress::kWaiting;
      break;
    case Task::kHang:
      return Progress::kWaiting;
    case Task::kRepeat:
      // To nowhere it could write for ever without ever being full.
      if (task_.out == Sink::kNowhere) return Progress::kWaiting;
      while (out.size() < limit) write(out, task_.out, task_.line);
      return Progress::kMore;
    case Task::kGenerate: {
      static constexpr std::string_view kPattern =
          "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+\n";
      if (task_.out == Sink::kNowhere) break;
      while (task_.left > 0) {
        if (out.size() >= limit) return Progress::kMore;
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(task_.left, kPattern.size()));
        write(out, task_.out, kPattern.substr(0, size));
        task_.left -= size;
      }
      break;
    }
    case Task::kCopyInput:
      write(out, task_.out, input_);
      std::string().swap(input_);
      if (!input_ended_) return Progress::kWaiting;
      break;
    case Task::kNone:
      break;
  }
  end_task(0);
  return Progress::kEnded;
}

void Script::end_task(int status) {
  task_ = {};
  last_status_ = status;
}

void Script::wake() {
  if (task_.kind == Task::kSleep) woken_ = true;
}

void Script::signal(int number) {
  if (ended_ || !ends_process(number)) return;
  status_ = 128 | number;
  ended_ = true;
  if (owner_ != nullptr) owner_->on_ready();
}

bool Script::hang_up() {
  owner_ = nullptr;
  if (!ended_ && task_.kind == Task::kHang) return false;
  if (!ended_) {
    status_ = 128 | SIGHUP;
    ended_ = true;
  }
  return true;
}

void Script::syntax_error(Output& out, std::string_view at) {
  write(out, Sink::kStderr,
        fmt::format("{}: syntax error: unexpected '{}' in a simulated shell\n", kShell,
                    at == "\n" ? "newline" : at));
  last_status_ = 1;
  for (Source& source : sources_) source.at = source.text.size();
}

void Script::write(Output& out, Sink sink, std::string_view bytes) {
  if (sink == Sink::kNowhere) return;
  out.write(sink == Sink::kStdout ? Channel::kStdout : Channel::kStderr, bytes);
}

void Script::complain(Output& out, const Io& io, std::string_view what) const {
  write(out, io.err, fmt::format("{}: {}\n", kShell, what));
}

std::string Script::variable(std::string_view name) const {
  if (name == "$") return std::to_string(pid_);
  if (name == "?") return std::to_string(last_status_);
  if (name == "#") return "0";
  if (name == "0") return std::string(kShell);
  if (variables_) {
    if (const auto found = variables_->find(name); found != variables_->end()) return found->second;
  }
  if (name == "HOME" || name == "PWD") return "/";
  if (name == "USER" || name == "LOGNAME") return "shell";
  if (name == "ANDROID_ROOT") return "/system";
  if (name == "ANDROID_DATA") return "/data";
  if (name == "PATH")
    return "/product/bin:/apex/com.android.runtime/bin:/system/bin:/system/xbin:/vendor/bin";
  return {};
}

void Script::expand(std::string_view raw, Words& words) const {
  expand_word(
      raw, [this](std::string_view name) { return variable(name); }, words);
}

// NAME=value before a command. (With a command after it, that would be for the command's environment, which
// nothing here looks at.)
bool Script::assign(std::string_view raw) {
  const std::size_t end = name_end(raw, 0);
  if (end == 0 || end >= raw.size() || raw[end] != '=') return false;
  constexpr std::size_t kMaxVariables = 1000;
  if (!variables_) variables_ = std::make_unique<std::map<std::string, std::string, std::less<>>>();
  if (variables_->size() >= kMaxVariables) return true;
  Words value;
  expand(raw.substr(end + 1), value);
  std::string joined;
  for (const std::string& word : value) joined.append(joined.empty() ? "" : " ").append(word);
  variables_->insert_or_assign(std::string(raw.substr(0, end)), std::move(joined));
  return true;
}

}  // namespace drover::sim
