// One running command on a simulated phone, whatever runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "sim/output.h"

namespace drover::sim {

// Who runs the command: a stream.
class CommandOwner {
 public:
  // advance() has something to do again. May be called from inside any function of the command but advance().
  virtual void on_ready() = 0;
  // Calls wake() and then advance() after this time; a second call replaces the first.
  virtual void wake_after(Millis time) = 0;

 protected:
  ~CommandOwner() = default;
};

enum class Progress : std::uint8_t {
  kMore,     // advance() again once the output has been taken
  kWaiting,  // nothing to do until on_ready(), wake() or input
  kEnded,    // status() is set, nothing follows
};

class Command {
 public:
  virtual ~Command() = default;

  // The process, and the process group, that the command is.
  virtual int pid() const = 0;

  // Works until it has ended, must wait, or `out` holds `limit` bytes or a little more.
  virtual Progress advance(Output& out, std::size_t limit) = 0;
  virtual void wake() = 0;
  virtual bool ended() const = 0;
  // 0 to 255; 128 | signal if it was killed.
  virtual int status() const = 0;

  // Standard input. While has_room() is false the host gets no OKAY for what it sent last.
  virtual void input(std::string_view bytes) = 0;
  virtual void end_input() = 0;
  virtual bool has_room() const = 0;

  // A signal to the process group.
  virtual void signal(int number) = 0;
  // The host has closed the stream; the owner is not called any more. False if the command lives on.
  virtual bool hang_up() = 0;
};

}  // namespace drover::sim
