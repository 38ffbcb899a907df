// The bytes of one connection, plain or through TLS. Never blocks, and knows no events: its owner tries again
// when the socket becomes readable or has room; a TLS connection may need either for both directions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "http/certificate.h"

namespace drover::http {

// One thread. Plain until secure() is called.
class Transport {
 public:
  enum class Status : std::uint8_t {
    kOk,
    kAgain,   // after the next event
    kEnded,   // the client will send no more
    kFailed,  // the connection is of no use any more
  };
  struct Received {
    Status status;
    std::size_t size = 0;
    bool more = false;  // with kOk: there may be more without another event
  };
  struct Sent {
    Status status;
    std::size_t size = 0;
  };
  // What a client that should speak TLS begins with.
  enum class Opening : std::uint8_t { kUnknown, kTls, kHttp, kOther, kEnded };

  // Owns `fd`, a socket that does not block.
  explicit Transport(int fd) : fd_(fd) {}
  ~Transport() { close(false); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  int fd() const { return fd_; }

  // Takes nothing from the socket, so that whoever says little costs little. A greeting larger than any
  // client has is kOther.
  Opening look_at_opening() const;
  // False if there is no memory.
  bool secure(Session session);
  bool secured() const { return session_ != nullptr; }
  // kOk once. After kFailed fault() says why, and the client has been told if it can be.
  Status shake_hands();
  const char* fault() const;

  Received receive(std::span<char> space);
  // What it takes of the two, in this order. After kAgain the same bytes must come again.
  Sent send(std::string_view head, std::string_view body);

  // Ends the server's direction; from then on take discard() instead of receive().
  void end_sending();
  Received discard();
  // The kernel is to forget what the client has not taken.
  void reset_at_close();
  // `orderly`: the client shall know that nothing is missing. Idempotent.
  void close(bool orderly);

 private:
  friend struct SocketBio;

  Status status_after(int result);
  Sent send_plain(std::string_view head, std::string_view body);
  Sent send_secured(std::string_view head, std::string_view body);
  void say_goodbye();

  int fd_;
  // Of the last call into OpenSSL:
  bool drained_ = false;  // the socket gave less than asked for
  bool blocked_ = false;  // the socket had nothing
  bool ended_ = false;    // the socket has come to its end
  bool broken_ = false;   // TLS has failed: nothing can be said any more
  Session session_;
};

}  // namespace drover::http
