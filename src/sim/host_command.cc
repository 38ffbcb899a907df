#include "sim/host_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "sim/phone.h"
#include "sim/poller.h"
#include "sim/world.h"

namespace drover::sim {
namespace {

constexpr std::size_t kMaxInput = std::size_t{64} * 1024;

// A descriptor and its place in the poller.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), polled_(std::exchange(other.polled_, false)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(polled_, other.polled_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

  // Reports the next one of `events`, once.
  void poll(Poller& poller, std::uint32_t events, Pollable& pollable) {
    if (!open()) return;
    if (polled_) {
      poller.change(fd_, events | EPOLLONESHOT, pollable);
    } else {
      polled_ = poller.add(fd_, events | EPOLLONESHOT, pollable);
    }
  }

  void close(Poller& poller) {
    if (polled_) poller.remove(fd_);
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    polled_ = false;
  }

 private:
  int fd_ = -1;
  bool polled_ = false;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

// A pipe, or for what we write to a pair of sockets: writing to one that nobody reads raises no SIGPIPE.
bool make_pipe(Pipe& pipe, bool sockets) {
  std::array<int, 2> ends{};
  const int made = sockets ? ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data())
                           : ::pipe2(ends.data(), O_CLOEXEC);
  if (made != 0) return false;
  pipe.read = Descriptor(ends[0]);
  pipe.write = Descriptor(ends[1]);
  return true;
}

void set_nonblocking(const Descriptor& descriptor) { ::fcntl(descriptor.get(), F_SETFL, O_NONBLOCK); }

class HostCommand;

// What the poller knows of a command: an event may still come when the command is gone.
struct Watch final : Pollable {
  explicit Watch(HostCommand& c) : command(&c) {}
  void on_poll(std::uint32_t events) override;

  HostCommand* command;
};

class HostCommand final : public Command {
 public:
  HostCommand(World& world, Phone& phone, CommandOwner& owner, bool merged)
      : world_(world),
        phone_(phone),
        owner_(&owner),
        merged_(merged),
        watch_(std::make_unique<Watch>(*this)) {}
  ~HostCommand() override;

  // An errno, or 0.
  int spawn(const std::string& directory, const std::string& text);

  int pid() const override { return pid_; }
  Progress advance(Output& out, std::size_t limit) override;
  void wake() override {}
  bool ended() const override { return reaped_; }
  int status() const override { return status_; }
  void input(std::string_view bytes) override;
  void end_input() override;
  bool has_room() const override { return input_.size() < kMaxInput; }
  void signal(int number) override {
    if (!reaped_) ::kill(-pid_, number);
  }
  bool hang_up() override;

  void on_event();

 private:
  void drain(Descriptor& from, Channel channel, Output& out, std::size_t limit);
  void write_input();
  void try_reap();

  World& world_;
  Phone& phone_;
  CommandOwner* owner_;
  const bool merged_;
  int pid_ = -1;
  int status_ = 0;
  bool reaped_ = true;  // until there is a process
  bool input_ended_ = false;
  std::unique_ptr<Watch> watch_;
  Descriptor process_;
  Descriptor in_;
  Descriptor out_;
  Descriptor err_;
  std::string input_;
};

void Watch::on_poll(std::uint32_t) {
  if (command != nullptr) command->on_event();
}

HostCommand::~HostCommand() {
  phone_.leave(*this);
  watch_->command = nullptr;
  if (world_.poller) world_.poller->bury(std::shared_ptr<void>(std::move(watch_)));
  if (reaped_) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

int HostCommand::spawn(const std::string& directory, const std::string& text) {
  Pipe in;
  Pipe out;
  Pipe err;
  if (!make_pipe(in, true) || !make_pipe(out, false) || (!merged_ && !make_pipe(err, false))) return errno;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, merged_ ? out.write.get() : err.write.get(), STDERR_FILENO);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  for (const int each : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM}) sigaddset(&signals, each);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::string shell = "/bin/sh";
  std::string option = "-c";
  std::string command = text;
  std::string path = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
  std::string home = "HOME=" + directory;
  std::string index = fmt::format("DROVER_SIM_PHONE={}", phone_.index());
  std::string serial = "ANDROID_SERIAL=" + phone_.serial();
  std::array<char*, 4> arguments = {shell.data(), option.data(), command.data(), nullptr};
  std::array<char*, 5> environment = {path.data(), home.data(), index.data(), serial.data(), nullptr};
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, shell.c_str(), &actions, &attributes, arguments.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return error;

  pid_ = pid;
  reaped_ = false;
  phone_.enter(*this);
  process_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process_.open()) return errno;
  in_ = std::move(in.write);
  out_ = std::move(out.read);
  err_ = std::move(err.read);
  for (const Descriptor* each : {&in_, &out_, &err_}) {
    if (each->open()) set_nonblocking(*each);
  }
  return 0;
}

void HostCommand::drain(Descriptor& from, Channel channel, Output& out, std::size_t limit) {
  std::array<char, 8192> buffer;
  while (from.open() && out.size() < limit) {
    const ssize_t size = ::read(from.get(), buffer.data(), buffer.size());
    if (size > 0) {
      out.write(channel, {buffer.data(), static_cast<std::size_t>(size)});
    } else if (size < 0 && errno == EINTR) {
      continue;
    } else if (size < 0 && errno == EAGAIN) {
      from.poll(*world_.poller, EPOLLIN, *watch_);
      return;
    } else {
      from.close(*world_.poller);
    }
  }
}

Progress HostCommand::advance(Output& out, std::size_t limit) {
  drain(out_, Channel::kStdout, out, limit);
  drain(err_, Channel::kStderr, out, limit);
  if (out.size() >= limit) return Progress::kMore;
  if (out_.open() || err_.open()) return Progress::kWaiting;
  // Like adbd: the exit code only when both outputs are closed and the shell is gone.
  try_reap();
  if (reaped_) return Progress::kEnded;
  process_.poll(*world_.poller, EPOLLIN, *watch_);
  return Progress::kWaiting;
}

void HostCommand::try_reap() {
  if (reaped_) return;
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) return;
  reaped_ = true;
  status_ = info.si_code == CLD_EXITED ? info.si_status & 0xff : 0x80 | info.si_status;
  process_.close(*world_.poller);
}

void HostCommand::input(std::string_view bytes) {
  if (!in_.open()) return;
  input_.append(bytes);
  write_input();
}

void HostCommand::end_input() {
  input_ended_ = true;
  write_input();
}

void HostCommand::write_input() {
  while (in_.open() && !input_.empty()) {
    const ssize_t size = ::send(in_.get(), input_.data(), input_.size(), MSG_NOSIGNAL);
    if (size > 0) {
      input_.erase(0, static_cast<std::size_t>(size));
    } else if (size < 0 && errno == EINTR) {
      continue;
    } else if (size < 0 && errno == EAGAIN) {
      in_.poll(*world_.poller, EPOLLOUT, *watch_);
      return;
    } else {
      input_.clear();  // nobody reads it any more
      in_.close(*world_.poller);
    }
  }
  if (input_ended_) in_.close(*world_.poller);
}

bool HostCommand::hang_up() {
  owner_ = nullptr;
  in_.close(*world_.poller);
  out_.close(*world_.poller);
  err_.close(*world_.poller);
  try_reap();
  if (reaped_) return true;
  ::kill(pid_, SIGHUP);
  process_.poll(*world_.poller, EPOLLIN, *watch_);
  return false;
}

void HostCommand::on_event() {
  if (owner_ != nullptr) {
    write_input();
    owner_->on_ready();
    return;
  }
  try_reap();
  if (reaped_) phone_.release(*this);  // and with it this object is gone
}

}  // namespace

std::unique_ptr<Command> start_host_command(World& world, Phone& phone, std::string_view text,
                                            Framing framing, CommandOwner& owner) {
  const std::string directory = fmt::format("{}/phone-{}", world.options.state_dir, phone.index());
  int error = ::mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST ? 0 : errno;
  auto command = std::make_unique<HostCommand>(world, phone, owner, framing != Framing::kShellV2);
  if (error == 0) error = command->spawn(directory, std::string(text));
  if (error == 0) return command;
  spdlog::error("simulated phone {}: no shell can be started: {}", phone.index(), std::strerror(error));
  return nullptr;
}

}  // namespace drover::sim
