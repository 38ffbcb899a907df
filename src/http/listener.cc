#include "http/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "http/errc.h"

namespace drover::http {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr std::size_t kMostTurnedAway = 64;
constexpr Millis kPause{100};
// Bytes of an answer that the kernel takes ahead of the client: what is beyond is ours, and counted. Else
// slow readers would fill the memory that the kernel has for all of TCP, the phones' links included.
constexpr int kMostUnsent = 256 * 1024;

// Both kinds of address behind the one type that the calls take.
union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
  sockaddr_storage storage;
};

Failure errno_failure(Errc code, const std::string& where) {
  return failure(code, where + ": " + std::strerror(errno));
}

std::string peer_name(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof(text));
    return std::string(text) + ":" + std::to_string(ntohs(address.v4.sin_port));
  }
  if (address.any.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof(text));
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(address.v6.sin6_port));
  }
  return "local";
}

// A socket file is left behind when its server is killed. Only such a one may be removed.
Result<> clear_path(const std::string& path, const Address& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return failure(Errc::kSocketPath, path);
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool dead = ::connect(probe, &address.any, sizeof(address.local)) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  if (!dead) return failure(Errc::kSocketInUse, path);
  ::unlink(path.c_str());
  return {};
}

}  // namespace

Result<ListeningSocket> ListeningSocket::tcp(const std::string& address, std::uint16_t port) {
  Address to{};
  socklen_t size = 0;
  if (inet_pton(AF_INET, address.c_str(), &to.v4.sin_addr) == 1) {
    to.v4.sin_family = AF_INET;
    to.v4.sin_port = htons(port);
    size = sizeof(to.v4);
  } else if (inet_pton(AF_INET6, address.c_str(), &to.v6.sin6_addr) == 1) {
    to.v6.sin6_family = AF_INET6;
    to.v6.sin6_port = htons(port);
    size = sizeof(to.v6);
  } else {
    return failure(Errc::kBadAddress, address);
  }
  const std::string where = address + " port " + std::to_string(port);
  ListeningSocket socket(::socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "");
  const int on = 1;
  ::setsockopt(socket.fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket.fd_, &to.any, size) != 0 || ::listen(socket.fd_, SOMAXCONN) != 0) {
    return errno_failure(Errc::kListen, where);
  }
  return socket;
}

Result<ListeningSocket> ListeningSocket::unix_socket(const std::string& path) {
  Address to{};
  if (path.empty() || path.size() >= sizeof(to.local.sun_path)) return failure(Errc::kSocketPath, path);
  to.local.sun_family = AF_UNIX;
  std::memcpy(to.local.sun_path, path.data(), path.size());
  if (auto cleared = clear_path(path, to); !cleared) return Failure(cleared.error());

  ListeningSocket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "");
  if (::bind(socket.fd_, &to.any, sizeof(to.local)) != 0) return errno_failure(Errc::kListen, path);
  socket.path_ = path;
  // Nobody can connect before listen(), so there is no moment at which others may.
  if (::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(socket.fd_, SOMAXCONN) != 0) {
    return errno_failure(Errc::kListen, path);
  }
  return socket;
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::exchange(other.path_, {})) {}

ListeningSocket::~ListeningSocket() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::uint16_t ListeningSocket::port() const {
  Address address{};
  socklen_t size = sizeof(address);
  if (::getsockname(fd_, &address.any, &size) != 0) return 0;
  return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

Listener::Listener(ListeningSocket socket, Worker& worker, Deliver deliver)
    : socket_(std::move(socket)),
      worker_(worker),
      deliver_(std::move(deliver)),
      resume_([this] { worker_.poller().modify(socket_.fd(), EPOLLIN, *this); }) {}

Listener::~Listener() = default;

void Listener::start() {
  if (!worker_.poller().add(socket_.fd(), EPOLLIN, *this)) {
    spdlog::error("HTTP server cannot watch its listening socket: {}", std::strerror(errno));
  }
}

void Listener::stop() {
  resume_.cancel();
  worker_.poller().remove(socket_.fd(), *this);
}

void Listener::on_ready(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && accept_one(); ++i) {
  }
}

// False when there is nothing more to accept for now.
bool Listener::accept_one() {
  Shared& shared = worker_.shared();
  if (!socket_.local() && shared.over_limit >= kMostTurnedAway) {
    pause();
    return false;
  }
  Address from{};
  socklen_t size = sizeof(from);
  const int fd = ::accept4(socket_.fd(), &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EINTR || errno == ECONNABORTED) return true;
    if (errno == EAGAIN) return false;
    spdlog::warn("HTTP server cannot accept: {}", std::strerror(errno));
    pause();
    return false;
  }
  Accepted accepted;
  accepted.fd = fd;
  accepted.local = socket_.local();
  accepted.over_limit = !accepted.local && shared.open - shared.over_limit >= shared.options.max_connections;
  accepted.peer = peer_name(from);
  if (!accepted.local) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMostUnsent, sizeof(kMostUnsent));
  }
  shared.opened(accepted.over_limit);
  deliver_(std::move(accepted));
  return true;
}

void Listener::pause() {
  worker_.poller().modify(socket_.fd(), 0, *this);
  worker_.loop().schedule(resume_, kPause);
}

}  // namespace drover::http
