// For tests: a client that sends exactly the bytes it is told to, plain or through TLS.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "http/testing/tls_client.h"

namespace drover::http {

struct Answer {
  unsigned status = 0;  // 0: the connection ended first
  std::string head;
  std::string body;

  std::optional<std::string> header(std::string_view name) const {
    for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
      const std::size_t colon = head.find(": ", at);
      if (colon == head.npos) break;
      const std::string_view key = std::string_view(head).substr(at + 2, colon - at - 2);
      if (key.size() != name.size() || strncasecmp(key.data(), name.data(), key.size()) != 0) continue;
      return head.substr(colon + 2, head.find("\r\n", colon) - colon - 2);
    }
    return std::nullopt;
  }
};

class Client {
 public:
  static Client tcp(std::uint16_t port) {
    Client client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client.connected_ = ::connect(client.fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0;
    return client;
  }

  static Client local(const std::string& path) {
    Client client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, path.c_str(), sizeof(to.sun_path) - 1);
    client.connected_ = ::connect(client.fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0;
    return client;
  }

  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_),
        session_(std::move(other.session_)),
        input_(std::move(other.input_)) {}
  Client& operator=(Client&&) = delete;
  ~Client() { close(); }

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  // From now on through TLS. False if the handshake fails.
  bool secure(const TlsClient& tls) {
    const int on = 1;  // a changed key and what it encrypts are two writes
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    session_ = tls.connect(fd_);
    return session_ != nullptr;
  }
  // Null if this is plain.
  ssl_st* session() const { return session_.get(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // Closes so that the server sees a reset.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close();
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }

  // False if the server is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = session_ ? SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size()))
                                 : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  // The next answer. `bodiless`: to HEAD.
  Answer read(bool bodiless = false) {
    Answer answer;
    std::size_t end;
    while ((end = input_.find("\r\n\r\n")) == input_.npos) {
      if (!fill()) return {};
    }
    answer.head = input_.substr(0, end + 2);
    input_.erase(0, end + 4);
    answer.status = static_cast<unsigned>(std::stoul(answer.head.substr(9, 3)));
    const auto length = answer.header("Content-Length");
    const std::size_t size = bodiless || !length ? 0 : std::stoul(*length);
    while (input_.size() < size) {
      if (!fill()) return {};
    }
    answer.body = input_.substr(0, size);
    input_.erase(0, size);
    return answer;
  }

  Answer ask(std::string_view bytes) {
    send(bytes);
    return read();
  }

  // Something can be read now.
  bool readable() const {
    pollfd watched{fd_, POLLIN, 0};
    if (session_ == nullptr) return ::poll(&watched, 1, 0) == 1;
    // What has come may be TLS's own.
    const int flags = ::fcntl(fd_, F_GETFL);
    ::fcntl(fd_, F_SETFL, flags | O_NONBLOCK);
    char byte;
    const bool some = SSL_peek(session_.get(), &byte, 1) == 1;
    ::fcntl(fd_, F_SETFL, flags);
    return some;
  }
  // What comes next, whatever it is; empty at the end.
  std::string read_some() {
    fill();
    return std::exchange(input_, {});
  }
  // Everything until the server closes; a reset counts as the end.
  std::string read_all() {
    while (fill()) {
    }
    return std::exchange(input_, {});
  }
  // The server has closed, and nothing was left to read.
  bool ended() { return read_all().empty(); }
  // Waits until the server has closed, reading nothing.
  bool wait_closed() {
    pollfd watched{fd_, POLLRDHUP, 0};
    return ::poll(&watched, 1, 10'000) == 1;
  }

 private:
  explicit Client(int fd) : fd_(fd) {
    const timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }

  bool fill() {
    char bytes[16 * 1024];
    const ssize_t n = session_ ? SSL_read(session_.get(), bytes, static_cast<int>(sizeof(bytes)))
                               : ::recv(fd_, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EAGAIN) ADD_FAILURE() << "the server did not answer in time";
    if (n <= 0) return false;
    input_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }

  int fd_;
  bool connected_ = false;
  Session session_;
  std::string input_;
};

}  // namespace drover::http
