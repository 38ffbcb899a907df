// One stream of a connection, with the command behind it: flow control, framing, and faults that concern
// commands.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/timer_wheel.h"
#include "sim/command.h"
#include "sim/output.h"

namespace drover::sim {

class Link;

class Stream final : public CommandOwner {
 public:
  // `local` is the phone's id of it, `remote` the host's.
  Stream(Link& link, std::uint32_t local, std::uint32_t remote, Framing framing);
  virtual ~Stream();

  std::uint32_t local() const { return local_; }

  // Answers the OPEN and begins `command`, which is null if it could not be started.
  void begin(std::unique_ptr<Command> command);

  // From the host.
  void on_okay();
  void on_write(std::string_view payload);
  // The host has closed the stream, or the connection is gone. The stream is of no use afterwards.
  void hang_up();

  // Both sides are through with it.
  bool done() const { return done_; }
  // Works if on_ready() came since the last time.
  void pump_if_ready();

  void on_ready() override;
  void wake_after(Millis time) override;

 private:
  // Shell v2 packets from the host, which may be cut anywhere.
  struct InputParser {
    std::array<char, 5> header{};
    std::uint8_t have = 0;
    std::uint32_t left = 0;
  };

  void pump();
  void advance();
  void send_output();
  void close();
  bool spoil();
  void parse_input(std::string_view bytes);
  void give_room();

  Link& link_;
  const std::uint32_t local_;
  const std::uint32_t remote_;
  const Framing framing_;
  bool in_flight_ = false;  // a WRTE of ours awaits its OKAY
  bool owes_okay_ = false;  // a WRTE of theirs does
  bool ended_ = false;      // the command has ended
  bool done_ = false;
  bool ready_ = false;
  std::uint32_t sent_ = 0;  // bytes of output, for the fault "drop"
  Output out_;
  InputParser input_;
  std::unique_ptr<Command> command_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace drover::sim
