// TLS on a socket that takes and gives as little as the test wants.
#include "http/transport.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "base/descriptor.h"
#include "http/testing/certificates.h"
#include "http/testing/tls_client.h"

namespace drover::http {
namespace {

using Status = Transport::Status;

class TransportTest : public testing::Test {
 protected:
  TransportTest() {
    const int small = 1;  // the least that the kernel allows
    ::setsockopt(pair_[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  }

  void secure() {
    certificate_.write(folder_.files());
    auto loaded = Certificate::load(folder_.files());
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_TRUE(server_.secure((*loaded)->make_session()));  // which outlives its certificate
    client_ = Session(SSL_new(tls_.context()));
    SSL_set_fd(client_.get(), peer_.get());
    SSL_set_connect_state(client_.get());
    while (SSL_do_handshake(client_.get()) != 1) ASSERT_NE(server_.shake_hands(), Status::kFailed);
    while (server_.shake_hands() != Status::kOk) SSL_do_handshake(client_.get());
    EXPECT_EQ(SSL_read(client_.get(), space_.data(), 1), -1);  // takes the ticket
  }

  std::string read_client(int size) {
    const int got = SSL_read(client_.get(), space_.data(), size);
    return got > 0 ? std::string(space_.data(), static_cast<std::size_t>(got)) : "";
  }
  std::string_view received(const Transport::Received& got) const { return {space_.data(), got.size}; }

  static std::array<int, 2> make_pair() {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()), 0);
    return pair;
  }

  const std::array<int, 2> pair_ = make_pair();
  Transport server_{pair_[0]};
  const Descriptor peer_{pair_[1]};
  const TestCertificate certificate_{"server"};
  CertificateFolder folder_;
  TlsClient tls_;
  Session client_;
  std::array<char, std::size_t{64} * 1024> space_{};
};

TEST_F(TransportTest, AChangeOfKeysWaitsForRoomWithTheAnswer) {
  secure();
  ASSERT_EQ(SSL_key_update(client_.get(), SSL_KEY_UPDATE_REQUESTED), 1);
  ASSERT_EQ(SSL_write(client_.get(), "hello", 5), 5);
  const Transport::Received got = server_.receive(space_);
  EXPECT_EQ(got.status, Status::kOk);
  EXPECT_EQ(received(got), "hello");

  // Bytes that are none of TLS's fill the way to the client, which takes them before it goes on.
  std::size_t filled = 0;
  for (ssize_t sent; (sent = ::send(pair_[0], space_.data(), 1000, MSG_NOSIGNAL)) > 0;)
    filled += static_cast<std::size_t>(sent);
  EXPECT_EQ(server_.send("b", "ye").status, Status::kAgain);
  EXPECT_EQ(server_.send("b", "ye").status, Status::kAgain);
  while (filled > 0) filled -= static_cast<std::size_t>(::recv(peer_.get(), space_.data(), filled, 0));
  EXPECT_EQ(server_.send("b", "ye").size, 3u);
  EXPECT_EQ(read_client(100), "bye");
}

TEST_F(TransportTest, WhatWasNotTakenIsSentAgain) {
  secure();
  std::string all(300'000, '\0');
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i * 31 >> 3);
  const std::string_view head = std::string_view(all).substr(0, 20'000);  // larger than a record
  const std::string body = all.substr(20'000);
  std::string got;
  std::size_t sent = 0;
  bool waited = false;
  while (sent < all.size()) {
    const Transport::Sent now =
        server_.send(head.substr(std::min(sent, head.size())),
                     std::string_view(body).substr(sent - std::min(sent, head.size())));
    ASSERT_NE(now.status, Status::kFailed);
    sent += now.size;
    if (now.status == Status::kOk) continue;
    waited = true;
    for (std::string part; !(part = read_client(1000)).empty();) got += part;
  }
  for (std::string part; !(part = read_client(1000)).empty();) got += part;
  EXPECT_TRUE(waited);
  EXPECT_TRUE(got == all);
}

TEST_F(TransportTest, MoreIsSaidWhileBytesAreHeldBack) {
  secure();
  const std::string bytes(50'000, 'x');
  ASSERT_EQ(SSL_write(client_.get(), bytes.data(), static_cast<int>(bytes.size())), 50'000);
  std::size_t size = 0;
  for (bool more = true; more;) {
    const Transport::Received got = server_.receive(std::span(space_).first(1000));
    ASSERT_TRUE(got.status == Status::kOk || got.status == Status::kAgain);
    size += got.size;
    more = got.status == Status::kOk && got.more;
  }
  EXPECT_EQ(size, bytes.size());
}

TEST_F(TransportTest, EndsAreToldFromFailures) {
  secure();
  SSL_shutdown(client_.get());
  EXPECT_EQ(server_.receive(space_).status, Status::kEnded);
  EXPECT_EQ(server_.send("still", "").size, 5u);
  EXPECT_EQ(read_client(100), "still");
  ::send(peer_.get(), "rubbish", 7, MSG_NOSIGNAL);
  server_.end_sending();
  EXPECT_EQ(server_.discard().size, 7u);
  EXPECT_EQ(read_client(100), "");
  EXPECT_EQ(SSL_get_shutdown(client_.get()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}

TEST_F(TransportTest, DamagedRecordsAreFailures) {
  secure();
  const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
  ::send(peer_.get(), record.data(), record.size(), MSG_NOSIGNAL);
  EXPECT_EQ(server_.receive(space_).status, Status::kFailed);
  EXPECT_EQ(server_.send("x", "").status, Status::kFailed);
}

TEST_F(TransportTest, APeerThatIsGoneIsAFailureAndNoSignal) {
  secure();
  client_.reset();
  ::shutdown(pair_[1], SHUT_RDWR);
  EXPECT_EQ(server_.receive(space_).status, Status::kEnded);
  EXPECT_EQ(server_.send("x", "").status, Status::kFailed);
}

}  // namespace
}  // namespace drover::http
