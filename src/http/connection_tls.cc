// How a connection agrees with its client on TLS.
#include <spdlog/spdlog.h>

#include "http/connection.h"

namespace drover::http {

bool Connection::secure() {
  if (!transport_.secured() && !open_tls()) return phase_ != Phase::kSecuring;
  switch (transport_.shake_hands()) {
    case Transport::Status::kOk:
      readable_ = true;  // what came with the client's last words
      welcome();
      return true;
    case Transport::Status::kAgain:
      return false;
    default:
      handshake_failed(transport_.fault());
      return true;
  }
}

bool Connection::open_tls() {
  switch (transport_.look_at_opening()) {
    case Transport::Opening::kTls:
      if (transport_.secure(worker_.shared().certificates->make_session())) return true;
      break;
    case Transport::Opening::kUnknown:
      if (!half_closed_) return false;
      break;
    case Transport::Opening::kHttp:
      refuse_plain();
      return false;
    case Transport::Opening::kOther:
      handshake_failed("this is no TLS");
      return false;
    case Transport::Opening::kEnded:
      break;
  }
  close();
  return false;
}

void Connection::count_failed_handshake() {
  worker_.shared().certificates->metrics().failed_handshakes.Increment();
}

void Connection::handshake_failed(const char* why) {
  count_failed_handshake();
  if (worker_.options().access_log) spdlog::info("TLS handshake with {} failed: {}", peer_, why);
  unread_ = true;  // for linger(): the client is to read why
  linger();
}

void Connection::refuse_plain() {
  count_failed_handshake();
  began_ = now_;
  begin_exchange();
  refuse_early(400, "this port speaks TLS only: use https://");
}

}  // namespace drover::http
