// A listening socket: accepts, and hands each connection to the thread whose turn it is.
//
// Beyond max_connections a client is accepted, told 503 with Retry-After, and closed, so that load balancers
// and people see what is wrong. When 64 of such are open at once, or the process is out of descriptors,
// accepting pauses.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/timer_wheel.h"
#include "http/poller.h"
#include "http/worker.h"

namespace drover::http {

// A bound socket that listens, closed when destroyed.
class ListeningSocket {
 public:
  static Result<ListeningSocket> tcp(const std::string& address, std::uint16_t port);
  // Mode 0600. Takes the place of a socket that nobody answers on any more; destroying it removes the path.
  static Result<ListeningSocket> unix_socket(const std::string& path);

  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  int fd() const { return fd_; }
  bool local() const { return !path_.empty(); }
  std::uint16_t port() const;

 private:
  ListeningSocket(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_;
  std::string path_;
};

// Lives on `worker`'s thread, made anywhere.
class Listener final : public Poller::Watcher {
 public:
  // Takes what was accepted; called on the worker's thread.
  using Deliver = std::function<void(Accepted)>;

  Listener(ListeningSocket socket, Worker& worker, Deliver deliver);
  ~Listener() override;

  std::uint16_t port() const { return socket_.port(); }
  // The worker's thread.
  void start();
  void stop();

 private:
  void on_ready(std::uint32_t events) override;
  bool accept_one();
  void pause();

  ListeningSocket socket_;
  Worker& worker_;
  Deliver deliver_;
  Timer resume_;
};

}  // namespace drover::http
