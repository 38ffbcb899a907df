// The host's side of one ADB connection without any I/O: bytes in, events and bytes out.
//
// Source of the rules: AOSP packages/modules/adb, protocol.txt, adb.cpp (handle_packet) and client/auth.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adb/connection.h"
#include "adb/key.h"
#include "adb/packet.h"
#include "base/clock.h"

namespace drover::adb {

class HostSession;

// One stream of a session; what is heard on it goes to the functions below. It only reads: nothing that
// Drover asks of a phone needs input, so there is no WRTE from us. Closes itself when destroyed.
class Stream {
 public:
  Stream() = default;
  virtual ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

 protected:
  // Null before it is opened and from its end on (also when the session is gone).
  HostSession* session() const { return session_; }
  bool acknowledged() const { return remote_ != 0; }

 private:
  friend class HostSession;

  // In all of these the stream may be destroyed, and others opened and closed.
  virtual void on_data(std::string_view bytes) = 0;
  // The phone closed the stream (kClosed) or the session ended; the session is already done with it.
  virtual void on_end(std::error_code why, bool may_have_begun) = 0;
  // The moment given to set_deadline() has come.
  virtual void on_deadline() = 0;

  HostSession* session_ = nullptr;
  std::uint32_t local_ = 0;
  std::uint32_t remote_ = 0;    // 0 until the phone acknowledged
  std::uint64_t open_end_ = 0;  // the place in our output where OPEN ends
  SteadyTime open_by_;          // the phone has to acknowledge until then
  SteadyTime deadline_ = SteadyTime::max();
};

// What a session asks of the connection that carries it.
class SessionDriver {
 public:
  virtual void on_online(const Banner& banner) = 0;
  // There is output() to send. Not called inside receive() and expire(): send when they return.
  virtual void on_output() = 0;
  // expire() is to be called at `at`.
  virtual void on_deadline_set(SteadyTime at) = 0;

 protected:
  ~SessionDriver() = default;
};

// Belongs to one thread. Holds little more than it has streams, and no output but what the phone's own bytes
// call for.
class HostSession {
 public:
  HostSession(const Clock& clock, std::shared_ptr<const KeyRing> keys, std::uint32_t max_payload,
              Millis open_timeout, SessionDriver& driver);
  ~HostSession() { abandon(); }
  HostSession(const HostSession&) = delete;
  HostSession& operator=(const HostSession&) = delete;

  // Writes our CNXN into output().
  void start();

  // Handles what came from the phone. After a failure (kProtocol, kUnauthorized, kTlsRequired) call end().
  Result<> receive(std::string_view bytes);

  // What waits to be sent, and how much of its beginning has been.
  std::string_view output() const { return output_; }
  void sent(std::size_t size);
  // Whether the phone has acknowledged all streams that are open.
  bool all_acknowledged() const;

  // Handles deadlines that have come. Fails with kTimeout if one was for an OPEN: call end().
  Result<> expire(SteadyTime now);
  // The next deadline, or SteadyTime::max().
  SteadyTime next_deadline() const;

  // Ends all streams with `why`, and the session. Idempotent.
  void end(const std::error_code& why);
  // Drops all streams without a word. Idempotent.
  void abandon();

  bool online() const { return online_; }
  bool shell_v2() const { return shell_v2_; }
  // The largest payload in either direction; 0 before the session is online.
  std::uint32_t max_payload() const { return online_ ? agreed_payload_ : 0; }
  const Clock& clock() const { return clock_; }

  // Only while online(). `service` is shorter than max_payload(), since a NUL follows it on the wire.
  void open(Stream& stream, const std::string& service);
  // Says CLSE; no further event follows. Nothing happens if the stream is not open.
  void close(Stream& stream);
  void set_deadline(Stream& stream, SteadyTime at);
  // Keeps `stream`, which is open, until it ends or closes.
  void adopt(std::unique_ptr<Stream> stream);

 private:
  Result<> handle(const Header& header, std::string_view payload);
  Result<> handle_cnxn(const Header& header, std::string_view payload);
  Result<> handle_auth(const Header& header, std::string_view token);
  Result<> handle_open(const Header& header);
  Result<> handle_okay(const Header& header);
  Result<> handle_wrte(const Header& header, std::string_view payload);
  Result<> handle_clse(const Header& header);
  Result<> count_stray();
  void fire_deadlines(SteadyTime now);
  void sweep_adopted();

  Stream* find(std::uint32_t local) const;
  std::uint32_t new_local_id();
  void detach(Stream& stream);
  void end_streams(const std::error_code& why);
  void write(Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload = {});

  const Clock& clock_;
  SessionDriver& driver_;
  std::shared_ptr<const KeyRing> keys_;
  const Millis open_timeout_;
  const std::uint32_t own_payload_;
  std::uint32_t agreed_payload_ = 0;
  std::uint32_t next_local_ = 1;
  std::uint32_t strays_ = 0;  // packets for streams that do not exist, less what streams that did excuse
  std::size_t next_key_ = 0;
  bool online_ = false;
  bool ended_ = false;
  bool busy_ = false;  // inside receive() or expire()
  bool shell_v2_ = false;
  bool with_checksum_ = true;
  PacketReader reader_;
  std::string output_;
  std::uint64_t sent_ = 0;        // bytes of our output that have left
  std::vector<Stream*> streams_;  // few, the newest last
  std::vector<std::unique_ptr<Stream>> adopted_;
};

}  // namespace drover::adb
