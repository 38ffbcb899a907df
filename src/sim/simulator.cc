#include "sim/simulator.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/id.h"
#include "base/loop.h"
#include "sim/control.h"
#include "sim/handset.h"
#include "sim/link.h"
#include "sim/listener.h"
#include "sim/poller.h"
#include "sim/world.h"

namespace drover::sim {
namespace {

constexpr Millis kRebootTime{2'000};  // when a command or the service asks for it
constexpr int kAcceptsInARow = 256;   // then others get their turn

class Fleet;

class Acceptor final : public Pollable {
 public:
  Acceptor(Fleet& fleet, int fd) : fleet_(fleet), fd_(fd) {}
  void on_poll(std::uint32_t events) override;

 private:
  Fleet& fleet_;
  const int fd_;
};

class Fleet final : public Simulator {
 public:
  Fleet(Loop& loop, SimOptions options, Listeners listeners, Journal journal)
      : options_(std::move(options)),
        listeners_(std::move(listeners)),
        world_(loop, options_, std::move(journal)) {}

  ~Fleet() override {
    control_.reset();
    for (const auto& handset : handsets_) handset->drop_links();
    world_.poller.reset();  // with it what is buried, which still refers to the phones
    if (spare_ >= 0) ::close(spare_);
  }

  Result<> begin();

  std::uint16_t port() const override { return listeners_.port; }
  std::size_t phones() const override { return options_.phones; }
  std::string address_of(std::size_t phone) const override;
  void set_fault(const PhoneRange& range, Fault fault) override;
  void clear_faults(const PhoneRange& range, std::optional<FaultKind> kind) override;
  SimStats stats() const override;

  // False if nobody waits.
  bool accept_one(int listener);

 private:
  void end_turn();
  void accept_without_descriptors(int listener);

  SimOptions options_;
  Listeners listeners_;
  World world_;
  std::vector<std::unique_ptr<Handset>> handsets_;
  std::vector<Acceptor> acceptors_;
  std::unique_ptr<ControlServer> control_;
  std::vector<Link*> sending_;
  int spare_ = -1;  // a descriptor to give up when there are no others
};

void Acceptor::on_poll(std::uint32_t) {
  for (int i = 0; i < kAcceptsInARow && fleet_.accept_one(fd_); ++i) continue;
}

Result<> Fleet::begin() {
  auto poller = Poller::create(world_.loop, [this] { end_turn(); });
  if (!poller) return tl::unexpected(poller.error());
  world_.poller = std::move(*poller);
  if (!options_.auth_keys.empty()) {
    auto keys = AcceptedKeys::read(options_.auth_keys);
    if (!keys) return tl::unexpected(keys.error());
    world_.keys = std::move(*keys);
  }
  if (options_.shell == ShellKind::kHost) {
    std::error_code error;
    // A command works in a directory of its own, so a relative path would name another place there.
    options_.state_dir = std::filesystem::absolute(options_.state_dir, error).string();
    if (!error) std::filesystem::create_directories(options_.state_dir, error);
    if (error) return failure(Errc::kFile, fmt::format("{}: {}", options_.state_dir, error.message()));
  }
  std::uint64_t seed = 0;
  fill_random(&seed, sizeof seed);
  handsets_.reserve(options_.phones);
  for (std::uint32_t i = 0; i < options_.phones; ++i)
    handsets_.push_back(std::make_unique<Handset>(world_, i, seed));
  for (const FaultRule& rule : options_.faults) set_fault(rule.range, rule.fault);
  if (!options_.control.empty()) {
    auto control = ControlServer::start(*world_.poller, *this, options_.control);
    if (!control) return tl::unexpected(control.error());
    control_ = std::move(*control);
  }
  spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  acceptors_.reserve(listeners_.sockets.size());
  for (const int fd : listeners_.sockets) {
    acceptors_.emplace_back(*this, fd);
    if (!world_.poller->add(fd, EPOLLIN, acceptors_.back())) {
      return failure(std::error_code(errno, std::system_category()), "epoll");
    }
  }
  return {};
}

std::string Fleet::address_of(std::size_t phone) const {
  const auto address = kFirstAddress + static_cast<std::uint32_t>(phone);
  return fmt::format("{}.{}.{}.{}:{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255,
                     port());
}

bool Fleet::accept_one(int listener) {
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE) accept_without_descriptors(listener);
    return errno == ECONNABORTED || errno == EINTR;
  }
  sockaddr_in name{};
  socklen_t size = sizeof name;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  const std::uint32_t index = ntohl(name.sin_addr.s_addr) - kFirstAddress;
  if (index < handsets_.size()) {
    handsets_[index]->accept(fd);
  } else {
    ::close(fd);
  }
  return true;
}

// A connection that cannot be taken would be reported for ever, so it is taken and dropped.
void Fleet::accept_without_descriptors(int listener) {
  ::close(spare_);
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) ::close(fd);
  spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  errno = EMFILE;
}

void Fleet::end_turn() {
  // By index: what goes on here may make other links dirty.
  for (std::size_t i = 0; i < world_.dirty.size(); ++i) world_.dirty[i]->pump_ready();
  // Nothing that follows from a command leaves before the journal has the command.
  if (!world_.journal.flush()) return;
  sending_.swap(world_.dirty);
  for (Link* link : sending_) link->send_out();
  sending_.clear();
  for (Handset* handset : world_.restarts) handset->restart(kRebootTime);
  world_.restarts.clear();
}

void Fleet::set_fault(const PhoneRange& range, Fault fault) {
  for (std::size_t i = 0; i < handsets_.size(); ++i) {
    if (range.has(i, fault.kind)) handsets_[i]->set_fault(fault);
  }
}

void Fleet::clear_faults(const PhoneRange& range, std::optional<FaultKind> kind) {
  for (std::size_t i = 0; i < handsets_.size(); ++i) {
    if (!handsets_[i]->phone().faults().any()) continue;
    for (std::size_t k = 0; k < kFaultKinds; ++k) {
      const auto each = static_cast<FaultKind>(k);
      if ((!kind || *kind == each) && range.has(i, each)) handsets_[i]->clear_fault(each);
    }
  }
}

SimStats Fleet::stats() const {
  SimStats stats = world_.stats;
  stats.phones = handsets_.size();
  for (const auto& handset : handsets_) stats.running += handset->phone().running();
  return stats;
}

}  // namespace

Result<std::unique_ptr<Simulator>> Simulator::start(Loop& loop, SimOptions options) {
  if (options.phones == 0 || options.phones > max_phones()) {
    return failure(Errc::kTooManyPhones,
                   fmt::format("{} phones; the hard limit of descriptors (ulimit -Hn) allows 1 to {}",
                               options.phones, max_phones()));
  }
  auto listeners = listen_for(options.phones, options.port);
  if (!listeners) return tl::unexpected(listeners.error());
  auto journal = Journal::open(options.journal);
  if (!journal) return tl::unexpected(journal.error());
  auto fleet = std::make_unique<Fleet>(loop, std::move(options), std::move(*listeners), std::move(*journal));
  if (auto begun = fleet->begin(); !begun) return tl::unexpected(begun.error());
  return fleet;
}

}  // namespace drover::sim
