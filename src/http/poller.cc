#include "http/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

namespace drover::http {

namespace asio = boost::asio;

struct Poller::Impl {
  using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

  explicit Impl(Loop& loop) : descriptor(loop.context()), fd(epoll_create1(EPOLL_CLOEXEC)) {
    boost::system::error_code error;
    if (fd >= 0) descriptor.assign(fd, error);
    good = fd >= 0 && !error;
    if (!good && fd >= 0) ::close(fd);
  }

  void arm() {
    descriptor.async_wait(Descriptor::wait_read, [this](boost::system::error_code error) {
      if (error) return;
      dispatch();
      arm();
    });
  }

  void dispatch() {
    count = epoll_wait(fd, batch.data(), static_cast<int>(batch.size()), 0);
    for (current = 0; current < count; ++current) {
      if (auto* watcher = static_cast<Watcher*>(batch[current].data.ptr))
        watcher->on_ready(batch[current].events);
    }
    count = 0;
  }

  // An event that was fetched but not yet told must not reach a watcher that is gone.
  void forget(Watcher& watcher) {
    for (int i = current + 1; i < count; ++i) {
      if (batch[i].data.ptr == &watcher) batch[i].data.ptr = nullptr;
    }
  }

  Descriptor descriptor;
  int fd;
  bool good = false;
  std::array<epoll_event, 128> batch;
  int current = 0;
  int count = 0;
};

namespace {

epoll_event make_event(std::uint32_t events, Poller::Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  return event;
}

}  // namespace

Poller::Poller(Loop& loop) : impl_(std::make_unique<Impl>(loop)) {}
Poller::~Poller() = default;

bool Poller::good() const { return impl_->good; }
void Poller::start() { impl_->arm(); }

bool Poller::add(int fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event = make_event(events, watcher);
  return epoll_ctl(impl_->fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Poller::modify(int fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event = make_event(events, watcher);
  epoll_ctl(impl_->fd, EPOLL_CTL_MOD, fd, &event);
}

void Poller::remove(int fd, Watcher& watcher) {
  epoll_ctl(impl_->fd, EPOLL_CTL_DEL, fd, nullptr);
  impl_->forget(watcher);
}

}  // namespace drover::http
