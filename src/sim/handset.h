// A simulated phone as the network sees it: its connections, and the faults that concern them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/timer_wheel.h"
#include "sim/fault.h"
#include "sim/phone.h"

namespace drover::sim {

class Link;
struct World;

class Handset {
 public:
  Handset(World& world, std::uint32_t index, std::uint64_t seed);
  ~Handset();

  Phone& phone() { return phone_; }
  const Phone& phone() const { return phone_; }

  // Takes over a connected socket.
  void accept(int fd);

  void set_fault(Fault fault);
  void clear_fault(FaultKind kind);

  // Drops everything and is back after `away` with a new boot id.
  void restart(Millis away);

  // Closes all connections.
  void drop_links();

  // For its links.
  void forget(Link& link);

 private:
  void flap();

  World& world_;
  Phone phone_;
  bool away_ = false;
  std::vector<std::unique_ptr<Link>> links_;
  std::unique_ptr<Timer> flap_;
  std::unique_ptr<Timer> back_;
};

}  // namespace drover::sim
