#include "sim/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/errc.h"
#include "sim/simulator.h"

namespace drover::sim {
namespace {

// As many as the kernel lets wait (net.core.somaxconn caps it): a fleet connects all at once.
constexpr int kBacklog = 65535;

constexpr const char* kLoopback = "lo";

Failure cannot_listen(const char* what, int error) {
  return failure(Errc::kListen, fmt::format("{}: {}", what, std::strerror(error)));
}

// Listens on `address` (host byte order) and `port`, and returns the socket; -1 with errno if that fails.
int listen_on(std::uint32_t address, std::uint16_t port, const char* device) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(address);
  name.sin_port = htons(port);
  // TCP_NODELAY passes on to what is accepted.
  if (::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
      (device == nullptr || ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
                                         static_cast<socklen_t>(std::strlen(device) + 1)) == 0) &&
      ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 && ::listen(fd, kBacklog) == 0) {
    return fd;
  }
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

std::uint16_t port_of(int fd) {
  sockaddr_in name{};
  socklen_t size = sizeof name;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(name.sin_port);
}

}  // namespace

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::size_t max_phones() {
  const std::size_t limit = raise_descriptor_limit();
  return limit <= kOwnDescriptors ? 0 : std::min(kMostPhones, limit - kOwnDescriptors);
}

Listeners::~Listeners() {
  for (const int fd : sockets) ::close(fd);
}

Result<Listeners> listen_on_loopback(std::uint16_t port) {
  const int fd = listen_on(INADDR_ANY, port, kLoopback);
  if (fd < 0) return failure(std::error_code(errno, std::system_category()), fmt::format("port {}", port));
  Listeners listeners;
  listeners.sockets.push_back(fd);
  listeners.port = port_of(fd);
  return listeners;
}

Result<Listeners> listen_on_each(std::size_t phones, std::uint16_t port) {
  // Two descriptors a phone: the listening socket and one connection.
  if (phones > max_phones() / 2) {
    return failure(
        Errc::kTooManyPhones,
        fmt::format("without CAP_NET_RAW each phone needs a listening socket, so that the limit of "
                    "descriptors allows {} phones, not {}",
                    max_phones() / 2, phones));
  }
  // A free port of the first address may be taken on a later one; then another is tried.
  constexpr int kTries = 20;
  int error = 0;
  for (int i = 0; i < (port == 0 ? kTries : 1); ++i) {
    Listeners listeners;
    listeners.port = port;
    while (listeners.sockets.size() < phones) {
      const int fd = listen_on(kFirstAddress + static_cast<std::uint32_t>(listeners.sockets.size()),
                               listeners.port, nullptr);
      if (fd < 0) {
        error = errno;
        break;
      }
      listeners.sockets.push_back(fd);
      if (listeners.port == 0) listeners.port = port_of(fd);
    }
    if (listeners.sockets.size() == phones) return listeners;
    if (error != EADDRINUSE) break;
  }
  return cannot_listen(fmt::format("port {}", port).c_str(), error);
}

Result<Listeners> listen_for(std::size_t phones, std::uint16_t port) {
  auto one = listen_on_loopback(port);
  if (one) return one;
  if (one.error().code != std::errc::operation_not_permitted)
    return failure(Errc::kListen, one.error().message);
  spdlog::warn(
      "binding to the loopback device is not permitted; a listening socket for each simulated phone instead");
  return listen_on_each(phones, port);
}

}  // namespace drover::sim
