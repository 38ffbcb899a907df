#include "cli/passwords.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "cli/errc.h"
#include "cli/paths.h"
#include "cli/terminal.h"

namespace drover::cli {
namespace {

constexpr std::size_t kLongestFile = 64 * 1024;
constexpr std::size_t kLongestLine = 4'096;  // the terminal itself takes no longer ones

// The terminal of this process, silent until destroyed. Signals that would end the program wait until then,
// so that nobody is left with a terminal that shows nothing.
class SilentTerminal {
 public:
  SilentTerminal() : fd_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (fd_ < 0 || ::tcgetattr(fd_, &before_) != 0) return;
    sigset_t ending;
    ::sigemptyset(&ending);
    for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) ::sigaddset(&ending, signal);
    ::sigprocmask(SIG_BLOCK, &ending, &mask_);
    signals_ = ::signalfd(-1, &ending, SFD_CLOEXEC);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    open_ = ::tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  ~SilentTerminal() {
    if (open_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
    if (signals_ >= 0) {
      ::close(signals_);
      ::sigprocmask(SIG_SETMASK, &mask_, nullptr);  // one that came ends the program here
    }
    if (fd_ >= 0) ::close(fd_);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

  bool is_open() const { return open_; }

  void write(const std::string& text) {
    [[maybe_unused]] const ssize_t n = ::write(fd_, text.data(), text.size());
  }

  // What is typed up to the end of the line; less if a signal came or the terminal went away.
  std::string read_line() {
    std::string line;
    char c = 0;
    while (line.size() < kLongestLine && wait() && ::read(fd_, &c, 1) == 1 && c != '\n') line += c;
    return line;
  }

 private:
  bool wait() {
    pollfd watched[] = {{fd_, POLLIN, 0}, {signals_, POLLIN, 0}};
    return ::poll(watched, 2, -1) > 0 && watched[1].revents == 0;
  }

  int fd_ = -1;
  int signals_ = -1;
  termios before_{};
  sigset_t mask_{};
  bool open_ = false;
};

}  // namespace

Result<std::string> read_secret_file(const std::string& path) {
  Result<std::string> text = read_whole_file(path, kLongestFile);
  if (!text) return text;
  text->resize(std::min(text->find('\n'), text->size()));
  if (text->ends_with('\r')) text->pop_back();
  if (text->empty()) {
    return fail(Errc::kUsage, (path == "-" ? "standard input" : path) + ": the first line is empty");
  }
  return text;
}

Result<std::string> ask_password(const std::string& question) {
  std::string line;
  {
    SilentTerminal terminal;
    if (!terminal.is_open()) {
      return fail(Errc::kUsage,
                  "there is no terminal to ask for a password: give it with --password-file FILE "
                  "(- is standard input)");
    }
    terminal.write(printable(question) + ": ");
    line = terminal.read_line();
    terminal.write("\n");
  }
  if (line.empty()) return fail(Errc::kUsage, "no password was given");
  return line;
}

Result<std::string> ask_new_password(const std::string& user) {
  Result<std::string> first = ask_password("New password of " + user);
  if (!first) return first;
  const Result<std::string> second = ask_password("The same again");
  if (!second) return second;
  if (*first != *second) return fail(Errc::kUsage, "the two passwords differ; nothing was changed");
  return first;
}

}  // namespace drover::cli
