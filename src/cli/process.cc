#include "cli/process.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace drover::cli {
namespace {

constexpr std::array kSignals{SIGTERM, SIGINT, SIGHUP};

// A signal handler reaches nothing but what has static storage.
std::atomic<unsigned> received{0};
std::atomic<int> event_fd{-1};

void notify() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(event_fd.load(), &one, sizeof one);
}

void on_signal(int) {
  const int saved = errno;
  received.fetch_add(1);
  notify();
  errno = saved;
}

}  // namespace

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    const rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = soft;
  }
  return static_cast<std::size_t>(limit.rlim_cur);
}

StopSignals::StopSignals() {
  received = 0;
  if (event_fd < 0) event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    // Ignored before us: nohup, or a shell's background job, whose wish it is.
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
}

unsigned StopSignals::count() const { return received.load(); }

void StopSignals::wait(Millis patience) {
  pollfd poll{event_fd.load(), POLLIN, 0};
  if (::poll(&poll, 1, static_cast<int>(patience.count())) <= 0) return;
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(event_fd.load(), &count, sizeof count);
}

void StopSignals::wake() { notify(); }

}  // namespace drover::cli
