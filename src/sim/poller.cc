#include "sim/poller.h"

#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <vector>

#include "base/loop.h"

namespace drover::sim {
namespace {

class EpollPoller final : public Poller {
 public:
  EpollPoller(Loop& loop, int epoll, std::function<void()> end_of_turn)
      : loop_(loop), descriptor_(loop.context(), epoll), end_of_turn_(std::move(end_of_turn)) {
    wait();
  }

  ~EpollPoller() override { *alive_ = false; }

  bool add(int fd, std::uint32_t events, Pollable& pollable) override {
    epoll_event event = make_event(events, pollable);
    return ::epoll_ctl(descriptor_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
  }

  void change(int fd, std::uint32_t events, Pollable& pollable) override {
    epoll_event event = make_event(events, pollable);
    ::epoll_ctl(descriptor_.native_handle(), EPOLL_CTL_MOD, fd, &event);
  }

  void remove(int fd) override { ::epoll_ctl(descriptor_.native_handle(), EPOLL_CTL_DEL, fd, nullptr); }

  void bury(std::shared_ptr<void> thing) override {
    graveyard_.push_back(std::move(thing));
    request_turn();
  }

  void request_turn() override {
    if (in_batch_ || turn_requested_) return;
    turn_requested_ = true;
    loop_.post([this, alive = alive_] {
      if (*alive) end_turn();
    });
  }

 private:
  static constexpr int kBatch = 256;
  static constexpr int kBatchesInARow = 4;  // then the loop's other work gets its turn

  static epoll_event make_event(std::uint32_t events, Pollable& pollable) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &pollable;
    return event;
  }

  void wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this, alive = alive_](boost::system::error_code error) {
                             if (!*alive || error) return;
                             run_batches();
                             wait();
                           });
  }

  void run_batches() {
    for (int i = 0; i < kBatchesInARow; ++i) {
      const int count = ::epoll_wait(descriptor_.native_handle(), events_.data(), kBatch, 0);
      if (count <= 0) return;
      in_batch_ = true;
      for (int e = 0; e < count; ++e) {
        const epoll_event& event = events_[static_cast<std::size_t>(e)];
        static_cast<Pollable*>(event.data.ptr)->on_poll(event.events);
      }
      end_turn();
      if (count < kBatch) return;
    }
  }

  void end_turn() {
    turn_requested_ = false;
    in_batch_ = false;
    end_of_turn_();
    std::vector<std::shared_ptr<void>> dead;
    dead.swap(graveyard_);
  }

  Loop& loop_;
  boost::asio::posix::stream_descriptor descriptor_;
  std::function<void()> end_of_turn_;
  bool in_batch_ = false;
  bool turn_requested_ = false;
  std::array<epoll_event, kBatch> events_{};
  std::vector<std::shared_ptr<void>> graveyard_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::unique_ptr<Poller>> Poller::create(Loop& loop, std::function<void()> end_of_turn) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return failure(std::error_code(errno, std::system_category()), "epoll");
  return std::make_unique<EpollPoller>(loop, epoll, std::move(end_of_turn));
}

}  // namespace drover::sim
