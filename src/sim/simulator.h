// Many Android phones in one process, as adbd shows them on the network: `drover sim`.
//
// Phone i, counted from 0, answers on 127.1.0.1 + i, all on one port. docs/simulator.md describes the phones,
// their faults, the journal and the control socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/errc.h"
#include "sim/fault.h"

namespace drover {
class Loop;
}

namespace drover::sim {

enum class ShellKind {
  kAndroid,  // a small imitation of Android's shell, inside this process
  kHost,     // /bin/sh of this machine, in a directory of its own per phone
};

struct SimOptions {
  std::size_t phones = 1;
  std::uint16_t port = 0;  // 0: any free one
  ShellKind shell = ShellKind::kAndroid;
  std::string state_dir{};  // kHost: the phones' directories are made in it
  // A file of public keys like a phone's adb_keys: only these are let in. Empty: everyone is.
  std::string auth_keys{};
  std::string journal{};            // a file, appended to; empty: none
  std::string control{};            // the path of a Unix socket to be made; empty: none
  std::vector<FaultRule> faults{};  // from the start, in this order
};

struct SimStats {
  std::size_t phones = 0;
  std::size_t connections = 0;   // open now
  std::size_t streams = 0;       // open now
  std::size_t running = 0;       // commands that have begun and not ended, also those whose host has left
  std::uint64_t accepted = 0;    // connections, ever
  std::uint64_t handshakes = 0;  // finished, ever
  std::uint64_t commands = 0;    // begun, ever
};

// Belongs to a loop: start() before the loop runs or on its thread; the rest, unless said otherwise, on its
// thread; destroyed on its thread or once the loop has stopped. Destroying it ends all connections and host
// commands.
class Simulator {
 public:
  // Listens when it returns. Raises the process's soft limit of descriptors to the hard one. kTooManyPhones
  // says how many that limit allows; kListen, kBadKeys and kFile name what could not be opened and why.
  static Result<std::unique_ptr<Simulator>> start(Loop& loop, SimOptions options);
  virtual ~Simulator() = default;

  // Any thread.
  virtual std::uint16_t port() const = 0;
  virtual std::size_t phones() const = 0;
  // "127.1.0.1:PORT". Any thread.
  virtual std::string address_of(std::size_t phone) const = 0;

  virtual void set_fault(const PhoneRange& range, Fault fault) = 0;
  // Without `kind`: all faults.
  virtual void clear_faults(const PhoneRange& range, std::optional<FaultKind> kind) = 0;
  virtual SimStats stats() const = 0;
};

// How many phones this process can simulate: its hard limit of descriptors, less what it needs for itself.
std::size_t max_phones();

// For `drover sim fault`, `clear` and `stats`: sends one line of the control protocol ("fault 1-100 hang",
// "clear all", "stats") to the simulator that listens on the Unix socket `path` and returns its answer
// without the leading "ok". Blocks, 5 s at most. kControl if nobody answers, kBadCommand with the simulator's
// words if it refuses.
Result<std::string> send_control(const std::string& path, std::string_view line);

}  // namespace drover::sim
