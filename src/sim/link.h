// One host's connection to one phone: adbd's side of the handshake and of its streams.
//
// Protocol: docs/adb.md, from AOSP packages/modules/adb (adb.cpp handle_packet, daemon/auth.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adb/packet.h"
#include "base/timer_wheel.h"
#include "sim/poller.h"

namespace drover::sim {

class Handset;
class Stream;
struct World;

class Link final : public Pollable {
 public:
  // Owns `fd`, a connected socket. start() follows.
  Link(World& world, Handset& handset, int fd);
  virtual ~Link();

  // False if the kernel cannot watch the socket.
  bool start();

  void on_poll(std::uint32_t events) override;

  // The last steps of a turn: what became ready goes on, and what there is to say leaves.
  void pump_ready();
  void send_out();

  // Ends the connection and all its streams. The handset forgets the link.
  void close();
  // The same once everything is sent.
  void close_when_sent();

  // For the streams.
  World& world() { return world_; }
  Handset& handset() { return handset_; }
  std::uint32_t max_payload() const { return max_payload_; }
  void append(adb::Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload = {});
  // Sends bytes that are no packet, and answers nothing from then on.
  void spoil(std::string_view bytes);
  void spoil_with_garbage();
  // Whether so much is unsent that streams must wait. If so, they are pumped again once it has left.
  bool full();
  void mark_dirty();

 private:
  enum class State : std::uint8_t { kGreeting, kAuth, kOnline, kSpoilt };

  void poll_input();
  void read();
  void handle(const adb::Header& header, std::string_view payload);
  void on_connect(const adb::Header& header);
  void on_auth(const adb::Header& header, std::string_view payload);
  void send_token();
  void go_online();
  void on_open(const adb::Header& header, std::string_view payload);
  void on_stream_packet(const adb::Header& header, std::string_view payload);
  Stream* find(std::uint32_t local) const;
  void erase_if_done(Stream& stream);
  void drop_streams();
  void update_interest();
  void note_restart();

  World& world_;
  Handset& handset_;
  int fd_;
  State state_ = State::kGreeting;
  const bool legacy_;
  bool dirty_ = false;
  bool blocked_ = false;   // the socket takes no more for now
  bool delayed_ = false;   // a slow phone is thinking
  bool held_ = false;      // streams wait because it was full()
  bool closing_ = false;   // once everything is sent
  bool checksums_ = true;  // in what we send
  std::uint32_t interest_ = 0;
  std::uint32_t max_payload_ = adb::kHandshakePayload;
  std::uint32_t opened_ = 0;  // streams, ever
  adb::PacketReader reader_{adb::kHandshakePayload};
  std::string token_;
  std::string out_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::unique_ptr<Timer> delay_;
};

}  // namespace drover::sim
