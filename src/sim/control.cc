#include "sim/control.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "sim/simulator.h"

namespace drover::sim {
namespace {

constexpr std::size_t kMaxLine = 4096;
constexpr time_t kClientTimeout = 5;  // seconds

Failure file_failure(const std::string& path, int error) {
  return failure(Errc::kFile, fmt::format("{}: {}", path, std::strerror(error)));
}

bool make_address(const std::string& path, sockaddr_un& address) {
  if (path.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return true;
}

bool connect_to(int fd, const sockaddr_un& address) {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// Whether the file at `address` is a socket that nobody listens on.
bool is_left_behind(const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(address.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool refused = fd >= 0 && !connect_to(fd, address) && errno == ECONNREFUSED;
  if (fd >= 0) ::close(fd);
  return refused;
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

class Server;

// One client, who may send any number of lines.
class Client final : public Pollable {
 public:
  Client(Server& server, int fd) : server_(server), fd_(fd) {}
  ~Client() { ::close(fd_); }

  int fd() const { return fd_; }
  void on_poll(std::uint32_t events) override;

 private:
  bool read();

  Server& server_;
  const int fd_;
  std::string line_;
};

class Server final : public ControlServer, public Pollable {
 public:
  Server(Poller& poller, Simulator& simulator, int fd, std::string path)
      : poller_(poller), simulator_(simulator), fd_(fd), path_(std::move(path)) {}

  ~Server() override {
    poller_.remove(fd_);
    for (const auto& client : clients_) poller_.remove(client->fd());
    ::close(fd_);
    ::unlink(path_.c_str());
  }

  bool watch() { return poller_.add(fd_, EPOLLIN, *this); }

  void on_poll(std::uint32_t) override {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    clients_.push_back(std::make_unique<Client>(*this, fd));
    poller_.add(fd, EPOLLIN, *clients_.back());
  }

  std::string answer(std::string_view line) { return obey(simulator_, line) + "\n"; }

  void drop(Client& client) {
    const auto found = std::find_if(clients_.begin(), clients_.end(),
                                    [&](const auto& each) { return each.get() == &client; });
    if (found == clients_.end()) return;
    poller_.remove(client.fd());
    poller_.bury(std::shared_ptr<void>(std::move(*found)));
    clients_.erase(found);
  }

 private:
  Poller& poller_;
  Simulator& simulator_;
  const int fd_;
  const std::string path_;
  std::vector<std::unique_ptr<Client>> clients_;
};

void Client::on_poll(std::uint32_t) {
  if (!read()) server_.drop(*this);
}

bool Client::read() {
  std::array<char, 512> buffer;
  const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  line_.append(buffer.data(), static_cast<std::size_t>(size));
  for (auto end = line_.find('\n'); end != std::string::npos; end = line_.find('\n')) {
    const std::string answer = server_.answer(std::string_view(line_).substr(0, end));
    line_.erase(0, end + 1);
    // An answer is short; who does not even take that is not worth keeping.
    if (::send(fd_, answer.data(), answer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size()))
      return false;
  }
  return line_.size() <= kMaxLine;
}

}  // namespace

std::string obey(Simulator& simulator, std::string_view line) {
  const auto words = split(line);
  if (words.size() == 1 && words[0] == "stats") {
    const SimStats stats = simulator.stats();
    return fmt::format(
        "ok phones={} connections={} streams={} running={} accepted={} handshakes={} commands={}",
        stats.phones, stats.connections, stats.streams, stats.running, stats.accepted, stats.handshakes,
        stats.commands);
  }
  const bool fault = words.size() == 3 && words[0] == "fault";
  const bool clear = (words.size() == 2 || words.size() == 3) && words[0] == "clear";
  if (!fault && !clear) return "error expected: fault RANGE FAULT, clear RANGE [KIND], stats";
  const auto range = PhoneRange::parse(words[1]);
  if (!range) return "error " + range.error().message;
  std::optional<Fault> which;
  if (words.size() == 3) {
    const auto parsed = parse_fault(words[2]);
    if (!parsed) return "error " + parsed.error().message;
    which = *parsed;
  }
  if (fault) {
    simulator.set_fault(*range, *which);
  } else {
    simulator.clear_faults(*range, which ? std::optional(which->kind) : std::nullopt);
  }
  return "ok";
}

Result<std::unique_ptr<ControlServer>> ControlServer::start(Poller& poller, Simulator& simulator,
                                                            const std::string& path) {
  sockaddr_un address{};
  if (!make_address(path, address)) return file_failure(path, ENAMETOOLONG);
  if (is_left_behind(address)) ::unlink(path.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return file_failure(path, errno);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(fd);
    return file_failure(path, error);
  }
  auto server = std::make_unique<Server>(poller, simulator, fd, path);
  if (::listen(fd, 16) != 0 || !server->watch()) return file_failure(path, errno);
  return server;
}

Result<std::string> send_control(const std::string& path, std::string_view line) {
  sockaddr_un address{};
  if (!make_address(path, address)) return failure(Errc::kControl, path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{.tv_sec = kClientTimeout, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  const std::string request = std::string(line) + "\n";
  std::string answer;
  if (fd >= 0 && connect_to(fd, address) && ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    std::array<char, 512> buffer;
    ssize_t size = 0;
    while (!answer.ends_with('\n') && (size = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
      answer.append(buffer.data(), static_cast<std::size_t>(size));
    }
  }
  if (fd >= 0) ::close(fd);
  if (!answer.ends_with('\n')) return failure(Errc::kControl, path);
  answer.pop_back();
  if (answer.starts_with("error ")) return failure(Errc::kBadCommand, answer.substr(6));
  return answer.substr(std::min<std::size_t>(answer.size(), 3));
}

}  // namespace drover::sim
