// One TCP connection to one phone's adbd, from handshake to close, with many streams on it.
//
// Protocol facts: docs/adb.md, from AOSP packages/modules/adb (protocol.txt, adb.cpp, client/auth.cpp,
// daemon/shell_service.cpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "adb/shell.h"
#include "base/clock.h"
#include "base/result.h"

namespace drover {
class Loop;
}

namespace drover::adb {

class KeyRing;

// What a phone says of itself in its CNXN.
struct Banner {
  std::string type;  // device, recovery, sideload, rescue, bootloader
  std::string product;
  std::string model;
  std::string device;
  bool shell_v2 = false;
  std::uint32_t version = 0;
  std::uint32_t max_payload = 0;
};

struct ConnectionOptions {
  std::string host;  // an address or a name
  std::uint16_t port = 5555;
  Millis connect_timeout{5'000};
  Millis handshake_timeout{10'000};
  // OPEN to OKAY: a phone that does not acknowledge a stream is as good as gone.
  Millis open_timeout{10'000};
  // What we announce, and so what a phone may send in one packet: bounds the memory of a connection.
  std::uint32_t max_payload = 256 * 1024;
  std::shared_ptr<const KeyRing> keys;  // not null
};

// Told what becomes of the connection, on its loop.
class ConnectionEvents {
 public:
  // The handshake is done; commands may be sent.
  virtual void on_online(const Banner& banner) = 0;
  // The last event, exactly once unless the connection is destroyed first. All its shells have had on_end
  // before. The connection may be destroyed in it.
  virtual void on_closed(const Error& why) = 0;

 protected:
  ~ConnectionEvents() = default;
};

// Belongs to one loop: made, used and destroyed on its thread. Destroying it closes the socket; no event
// follows, neither its own nor its shells', which may be destroyed before it or after it. At rest it holds a
// few hundred bytes, so that 100,000 fit in a process.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual bool online() const = 0;

  // Starts `command` (any bytes but NUL, at most max_command()). Only while online(). Never null; a failure
  // (argument_list_too_long, invalid_argument, kClosed) comes as on_end, from the loop, never from inside
  // this call. The command runs in a process group of its own, with standard input at its end and nothing
  // added to its output.
  virtual std::unique_ptr<Shell> shell(std::string_view command, ShellEvents& events) = 0;

  // The longest command that this phone takes, in bytes.
  virtual std::size_t max_command() const = 0;
};

// Begins to connect at once. `events` outlives the connection.
std::unique_ptr<Connection> connect(Loop& loop, ConnectionOptions options, ConnectionEvents& events);

}  // namespace drover::adb
