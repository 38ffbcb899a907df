// What the parts of one simulator share. A plain struct: everything here lives on one thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "sim/journal.h"
#include "sim/keys.h"
#include "sim/poller.h"
#include "sim/simulator.h"

namespace drover::sim {

class Handset;
class Link;

struct World {
  World(Loop& l, const SimOptions& o, Journal j) : loop(l), options(o), journal(std::move(j)) {}

  Loop& loop;
  const SimOptions& options;
  Journal journal;
  std::unique_ptr<AcceptedKeys> keys;  // null: everyone is let in
  std::unique_ptr<Poller> poller;
  SimStats stats;

  // Links that have something to send at the end of this turn.
  std::vector<Link*> dirty;
  // Phones that were told to reboot in this turn.
  std::vector<Handset*> restarts;

  // What is being read; nothing stays in it.
  std::array<char, std::size_t{64} * 1024> buffer;
};

}  // namespace drover::sim
