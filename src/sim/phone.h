// The state of one simulated phone: who it is, what runs on it, and what is wrong with it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "sim/command.h"
#include "sim/fault.h"

namespace drover::sim {

// Not thread-safe. Small: there are 10,000 of them.
class Phone {
 public:
  using Settings = std::map<std::string, std::string, std::less<>>;

  // `seed` differs from one simulator to the next, so that no boot id comes twice.
  Phone(std::uint32_t index, std::uint64_t seed, const Clock& clock);
  ~Phone();
  Phone(const Phone&) = delete;
  Phone& operator=(const Phone&) = delete;

  std::uint32_t index() const { return index_; }
  const Clock& clock() const { return clock_; }
  FaultSet& faults() { return faults_; }
  const FaultSet& faults() const { return faults_; }

  std::string serial() const;
  // A random UUID, a new one for each boot.
  std::string boot_id() const;
  double uptime_seconds() const;

  // What was set with setprop and settings put since the phone was started; null if nothing was.
  const Settings* settings() const { return settings_.get(); }
  // False if the phone holds too many already.
  bool set(std::string_view key, std::string_view value);

  // No two running commands have the same.
  int new_pid();
  // Commands enter themselves when they begin and leave when destroyed.
  void enter(Command& command) { running_.push_back(&command); }
  void leave(Command& command);
  // False if no such command runs. Number 0 only looks.
  bool signal(int pid, int number);

  // Keeps a command whose host has left.
  void adopt(std::unique_ptr<Command> command) { orphans_.push_back(std::move(command)); }
  // Gives up an adopted command; null if it is not one.
  std::unique_ptr<Command> release(Command& command);

  // Commands that have not ended.
  std::size_t running() const;

  // `reboot` and the service "reboot:" ask; whoever holds the phone's connections takes the request and
  // obeys.
  void ask_restart() { restart_asked_ = true; }
  bool take_restart_request() { return std::exchange(restart_asked_, false); }

  // Kills what runs and forgets what was set. Connections are not the phone's matter.
  void restart();

 private:
  Command* find(int pid) const;

  const Clock& clock_;
  SteadyTime booted_;
  std::uint64_t seed_;
  std::uint32_t index_;
  std::uint32_t boots_ = 1;
  bool restart_asked_ = false;
  int last_pid_;
  FaultSet faults_;
  std::unique_ptr<Settings> settings_;
  std::vector<Command*> running_;
  std::vector<std::unique_ptr<Command>> orphans_;
};

}  // namespace drover::sim
