#include "http/transport.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace drover::http {
namespace {

constexpr std::size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;
// RFC 8446 sections 5.1 and 4: a record's type, version and size, then a message's type and size.
constexpr std::size_t kRecordHead = 5;
constexpr std::size_t kOpening = kRecordHead + 4;
constexpr unsigned char kHandshakeRecord = 22;
constexpr unsigned char kClientHello = 1;
// OpenSSL would take 128 KiB, and make room for as much as is announced.
constexpr std::size_t kMostHello = std::size_t{16} * 1024;

ssize_t receive_from(int fd, void* space, std::size_t size, int flags = 0) {
  ssize_t got;
  do {
    got = ::recv(fd, space, size, flags);
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

// OpenSSL's way to the socket. Its own would raise SIGPIPE, and would not tell whether the socket is empty.
struct SocketBio {
  static int write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const auto& transport = *static_cast<Transport*>(BIO_get_data(bio));
    ssize_t sent;
    do {
      sent = ::send(transport.fd_, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
  }

  static int read(BIO* bio, char* space, int size) {
    BIO_clear_retry_flags(bio);
    auto& transport = *static_cast<Transport*>(BIO_get_data(bio));
    const ssize_t got = receive_from(transport.fd_, space, static_cast<std::size_t>(size));
    transport.drained_ = got < size;
    transport.ended_ = got == 0;
    transport.blocked_ = got < 0 && errno == EAGAIN;
    if (transport.blocked_) BIO_set_retry_read(bio);
    return static_cast<int>(got);
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return static_cast<Transport*>(BIO_get_data(bio))->ended_ ? 1 : 0;
    return 0;
  }

  static BIO_METHOD* make_method() {
    BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    BIO_meth_set_write(method, write);
    BIO_meth_set_read(method, read);
    BIO_meth_set_ctrl(method, control);
    return method;
  }

  static BIO* make(Transport& transport) {
    static const BIO_METHOD* const method = make_method();
    BIO* const bio = BIO_new(method);
    if (bio == nullptr) return nullptr;
    BIO_set_data(bio, &transport);
    BIO_set_init(bio, 1);
    return bio;
  }
};

// --- the beginning

Transport::Opening Transport::look_at_opening() const {
  std::array<unsigned char, kOpening> bytes{};
  const ssize_t got = receive_from(fd_, bytes.data(), bytes.size(), MSG_PEEK);
  if (got < 0) return errno == EAGAIN ? Opening::kUnknown : Opening::kEnded;
  if (got == 0) return Opening::kEnded;
  if (bytes[0] >= 'A' && bytes[0] <= 'Z') return Opening::kHttp;
  if (bytes[0] != kHandshakeRecord) return Opening::kOther;
  if (static_cast<std::size_t>(got) < bytes.size()) return Opening::kUnknown;
  const std::size_t announced = std::size_t{bytes[6]} << 16 | std::size_t{bytes[7]} << 8 | bytes[8];
  return bytes[kRecordHead] == kClientHello && announced <= kMostHello ? Opening::kTls : Opening::kOther;
}

bool Transport::secure(Session session) {
  BIO* const bio = session ? SocketBio::make(*this) : nullptr;
  if (bio == nullptr) return false;
  SSL_set_bio(session.get(), bio, bio);
  session_ = std::move(session);
  return true;
}

Transport::Status Transport::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_.get());
  return result == 1 ? Status::kOk : status_after(result);
}

const char* Transport::fault() const {
  const long verified = SSL_get_verify_result(session_.get());
  if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  const char* const reason = ERR_reason_error_string(ERR_peek_error());
  return reason != nullptr ? reason : "the client was gone";
}

Transport::Status Transport::status_after(int result) {
  switch (SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Status::kAgain;
    case SSL_ERROR_ZERO_RETURN:
      return Status::kEnded;
    default:
      broken_ = true;
      return Status::kFailed;
  }
}

// --- under way

Transport::Received Transport::receive(std::span<char> space) {
  if (!session_) {
    const ssize_t got = receive_from(fd_, space.data(), space.size());
    if (got < 0) return {errno == EAGAIN ? Status::kAgain : Status::kFailed};
    if (got == 0) return {Status::kEnded};
    const auto size = static_cast<std::size_t>(got);
    // Less than asked for: there is no more, and the next byte is reported.
    return {Status::kOk, size, size == space.size()};
  }
  drained_ = blocked_ = false;
  ERR_clear_error();
  std::size_t size = 0;
  const int result = SSL_read_ex(session_.get(), space.data(), space.size(), &size);
  // What OpenSSL has taken from the socket will not be reported again.
  const bool more = !drained_ || SSL_has_pending(session_.get()) == 1;
  if (result == 1) return {Status::kOk, size, more};
  const Status status = status_after(result);
  // A record that was none of the client's bytes, and there may be another.
  if (status == Status::kAgain && !blocked_ && SSL_want_read(session_.get()) && more) {
    return {Status::kOk, 0, true};
  }
  return {status};
}

Transport::Sent Transport::send(std::string_view head, std::string_view body) {
  return session_ ? send_secured(head, body) : send_plain(head, body);
}

Transport::Sent Transport::send_plain(std::string_view head, std::string_view body) {
  iovec parts[2] = {{const_cast<char*>(head.data()), head.size()},
                    {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = body.empty() ? 1 : 2;
  ssize_t sent;
  do {
    sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return {errno == EAGAIN ? Status::kAgain : Status::kFailed};
  return {Status::kOk, static_cast<std::size_t>(sent)};
}

Transport::Sent Transport::send_secured(std::string_view head, std::string_view body) {
  std::string_view bytes = head.empty() ? body : head;
  char record[kRecord];  // head and body together, as one record and one system call
  if (!head.empty() && !body.empty() && head.size() < kRecord) {
    std::memcpy(record, head.data(), head.size());
    const std::size_t room = std::min(kRecord - head.size(), body.size());
    std::memcpy(record + head.size(), body.data(), room);
    bytes = {record, head.size() + room};
  }
  bytes = bytes.substr(0, kRecord);
  ERR_clear_error();
  std::size_t sent = 0;
  const int result = SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &sent);
  if (result == 1) return {Status::kOk, sent};
  const Status status = status_after(result);
  return {status == Status::kEnded ? Status::kFailed : status};
}

// --- the end

void Transport::say_goodbye() {
  if (!session_ || broken_ || SSL_is_init_finished(session_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(session_.get());
}

void Transport::end_sending() {
  say_goodbye();
  session_.reset();
  ::shutdown(fd_, SHUT_WR);
}

// What comes now is not looked at, so it need not be decrypted either.
Transport::Received Transport::discard() {
  char scratch[16 * 1024];
  const ssize_t got = receive_from(fd_, scratch, sizeof(scratch));
  if (got < 0) return {errno == EAGAIN ? Status::kAgain : Status::kFailed};
  if (got == 0) return {Status::kEnded};
  return {Status::kOk, static_cast<std::size_t>(got), static_cast<std::size_t>(got) == sizeof(scratch)};
}

void Transport::reset_at_close() {
  const ::linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void Transport::close(bool orderly) {
  if (fd_ < 0) return;
  if (orderly) say_goodbye();
  session_.reset();
  ::close(std::exchange(fd_, -1));
}

}  // namespace drover::http
