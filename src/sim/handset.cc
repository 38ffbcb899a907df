#include "sim/handset.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/loop.h"
#include "sim/link.h"
#include "sim/world.h"

namespace drover::sim {
namespace {

// The host gets RST, the closest to a refused connection that is left once the kernel has accepted it.
void reset(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(fd);
}

// These are seen from the handshake on, so existing connections must not outlive a change.
bool concerns_handshake(FaultKind kind) {
  switch (kind) {
    case FaultKind::kAbsent:
    case FaultKind::kGarbage:
    case FaultKind::kLegacy:
    case FaultKind::kRefuseKey:
      return true;
    default:
      return false;
  }
}

}  // namespace

Handset::Handset(World& world, std::uint32_t index, std::uint64_t seed)
    : world_(world), phone_(index, seed, world.loop.clock()) {}

Handset::~Handset() = default;

void Handset::accept(int fd) {
  if (away_ || phone_.faults().has(FaultKind::kAbsent)) return reset(fd);
  links_.push_back(std::make_unique<Link>(world_, *this, fd));
  ++world_.stats.accepted;
  ++world_.stats.connections;
  if (!links_.back()->start()) links_.back()->close();
}

void Handset::forget(Link& link) {
  const auto found =
      std::find_if(links_.begin(), links_.end(), [&](const auto& each) { return each.get() == &link; });
  if (found == links_.end()) return;
  world_.poller->bury(std::shared_ptr<void>(std::move(*found)));
  links_.erase(found);
}

void Handset::drop_links() {
  while (!links_.empty()) links_.back()->close();
}

void Handset::set_fault(Fault fault) {
  if (fault.kind == FaultKind::kReboot) return restart(Millis(fault.amount));
  phone_.faults().add(fault);
  if (concerns_handshake(fault.kind)) drop_links();
  if (fault.kind == FaultKind::kFlap) {
    if (!flap_) flap_ = std::make_unique<Timer>([this] { flap(); });
    // Not all phones at the same moment.
    world_.loop.schedule(
        *flap_, Millis(1 + (std::uint64_t{phone_.index()} * 2654435761 % 1000) * fault.amount / 1000));
  }
}

void Handset::clear_fault(FaultKind kind) {
  if (!phone_.faults().has(kind)) return;
  phone_.faults().remove(kind);
  // What a silent phone has swallowed is lost, so its connections cannot go on.
  if (concerns_handshake(kind) || kind == FaultKind::kSilent) drop_links();
  if (kind == FaultKind::kFlap) flap_->cancel();
}

void Handset::flap() {
  drop_links();
  world_.loop.schedule(*flap_, Millis(phone_.faults().amount(FaultKind::kFlap)));
}

void Handset::restart(Millis away) {
  away_ = true;
  drop_links();
  phone_.restart();
  if (!back_) back_ = std::make_unique<Timer>([this] { away_ = false; });
  world_.loop.schedule(*back_, away);
}

}  // namespace drover::sim
