// What only connections with TLS have. The tests of plain ones run a second time through TLS
// (CMakeLists.txt).
#include <gmock/gmock.h>

#include "http/errc.h"
#include "http/testing/server_fixture.h"

namespace drover::http {
namespace {

using testing::HasSubstr;

const std::string kHost = "Host: x\r\n\r\n";
const std::string kHello = "GET /hello HTTP/1.1\r\n" + kHost;
const std::string kFailed = "drover_http_tls_handshakes_failed_total ";

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    if (options_.tls.certificate.empty()) use_tls();
  }

  Client connect_plain() { return Client::tcp(server_->port()); }
  // The answer to a request of a client of this kind; nothing if there is none.
  std::string hello_as(const TlsClient& tls) {
    Client client = connect_plain();
    return client.secure(tls) ? client.ask(kHello).body : "";
  }
  bool failed(int times) { return has_metric(kFailed + std::to_string(times) + "\n"); }
  static bool said_goodbye(const Client& client) {
    return (SSL_get_shutdown(client.session()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
};

TEST_F(TlsTest, SpeaksTls12And13AndNothingOlder) {
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient tls;
    tls.only(version);
    EXPECT_EQ(hello_as(tls), "hello");
  }
  EXPECT_TRUE(failed(0));
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    TlsClient tls;
    tls.only(version);
    EXPECT_EQ(hello_as(tls), "");
  }
  EXPECT_TRUE(eventually([&] { return failed(2); }));
}

TEST_F(TlsTest, OldCiphersAreRefused) {
  start();
  TlsClient tls;
  tls.only(TLS1_2_VERSION);
  for (const char* ciphers : {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-NULL-SHA"}) {
    ASSERT_EQ(SSL_CTX_set_cipher_list(tls.context(), ciphers), 1) << ciphers;
    EXPECT_EQ(hello_as(tls), "") << ciphers;
  }
  ASSERT_EQ(SSL_CTX_set_cipher_list(tls.context(), "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
  EXPECT_EQ(hello_as(tls), "hello");
}

TEST_F(TlsTest, AgreesOnHttp1Only) {
  start();
  const auto chosen = [&](const std::string& offered) -> std::string {
    TlsClient tls;
    SSL_CTX_set_alpn_protos(tls.context(), reinterpret_cast<const unsigned char*>(offered.data()),
                            static_cast<unsigned>(offered.size()));
    Client client = connect_plain();
    if (!client.secure(tls)) return "refused";
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client.session(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  };
  EXPECT_EQ(chosen("\x02h2\x08http/1.1"), "http/1.1");
  EXPECT_EQ(chosen("\x08http/1.0"), "http/1.0");
  EXPECT_EQ(chosen("\x08http/1.0\x08http/1.1"), "http/1.1");
  EXPECT_EQ(chosen("\x02h2"), "refused");
}

TEST_F(TlsTest, PlainHttpIsToldSo) {
  start();
  for (const std::string& request : {kHello, "DELETE /hello HTTP/1.1\r\n" + kHost, std::string("PA")}) {
    Client client = connect_plain();
    const Answer answer = client.ask(request);
    EXPECT_EQ(answer.status, 400u);
    EXPECT_THAT(answer.body, HasSubstr("TLS"));
    EXPECT_TRUE(client.ended());
  }
  EXPECT_TRUE(failed(3));
  EXPECT_EQ(hello_as(tls_), "hello");
}

TEST_F(TlsTest, WhatIsNoGreetingIsRefused) {
  start();
  int count = 0;
  for (const std::string& bytes : {
           std::string(1000, '\0'),
           std::string("\x16\x03\x01\x02\x00\x02\x00\x01\xfc\x03\x03", 11),  // the server's kind of greeting
           std::string("\x16\x03\x01\x40\x00\x01\x00\x40\x01\x03\x03", 11),  // one of 16,385 bytes
           std::string("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9),           // an empty one
           "\x16\x03\x01\x10\x05\x01" + std::string(2000, '\0') + std::string(4000, 'x'),
       }) {
    Client client = connect_plain();
    client.send(bytes);
    client.read_all();
    EXPECT_TRUE(eventually([&] { return failed(count + 1); })) << count;
    ++count;
  }
  EXPECT_EQ(hello_as(tls_), "hello");
}

TEST_F(TlsTest, HandshakeHasATimeLimit) {
  options_.header_timeout = Millis(60);
  start();
  Client silent = connect_plain();
  EXPECT_TRUE(silent.ended());
  Client begun = connect_plain();
  begun.send("\x16\x03\x01");
  EXPECT_TRUE(begun.ended());
  EXPECT_TRUE(failed(0));  // none of these has asked for anything
  clock_.stop();
  Client half = connect_plain();
  half.send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  clock_.go();
  EXPECT_TRUE(half.ended());
  EXPECT_TRUE(failed(1));
  clock_.stop();
  Client secured = connect();
  EXPECT_EQ(secured.ask(kHello).body, "hello");  // from here on it is the idle time that counts
  EXPECT_TRUE(has_metric("drover_http_connections 1\n"));
}

TEST_F(TlsTest, ClientsThatLeaveBeforeTheHandshakeEndsAreForgotten) {
  start();
  for (const std::string& bytes : {std::string(), std::string("\x16\x03\x01"),
                                   std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)}) {
    Client half = connect_plain();
    half.send(bytes);
    half.half_close();
    EXPECT_TRUE(half.ended());
    Client reset = connect_plain();
    reset.send(bytes);
    reset.reset();
  }
  EXPECT_TRUE(eventually([&] { return has_metric("drover_http_connections 0\n"); }));
}

// One record fills the buffer of a request several times; what OpenSSL holds of it no event will tell.
TEST_F(TlsTest, BytesThatWereReadAheadAreNotForgotten) {
  options_.max_header = 256;
  start();
  std::string requests;
  std::size_t count = 0;
  for (; requests.size() + kHello.size() <= SSL3_RT_MAX_PLAIN_LENGTH; ++count) requests += kHello;
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    client.send(requests);
    for (std::size_t got = 0; got < count; ++got) ASSERT_EQ(client.read().body, "hello") << got;
  }
  // And several records that come as one segment.
  std::string echo = "POST /echo HTTP/1.1\r\nContent-Length: 40000\r\n" + kHost + std::string(40'000, 'a');
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.ask(echo).body.size(), 40'000u);
}

// Sends every byte on its own, handshake included.
TEST_F(TlsTest, ByteByByteIsFine) {
  start();
  Client client = connect_plain();
  const Session session(SSL_new(tls_.context()));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(in, -1);
  SSL_set_bio(session.get(), in, out);
  SSL_set_connect_state(session.get());
  const auto send_all = [&] {
    for (char byte; BIO_read(out, &byte, 1) == 1;) client.send({&byte, 1});
  };
  const auto receive_some = [&] {
    const std::string some = client.read_some();
    BIO_write(in, some.data(), static_cast<int>(some.size()));
    return !some.empty();
  };
  while (SSL_do_handshake(session.get()) != 1) {
    send_all();
    ASSERT_TRUE(receive_some());
  }
  const std::string requests = kHello + kHello;
  SSL_write(session.get(), requests.data(), static_cast<int>(requests.size()));
  send_all();
  std::string answers;
  while (answers.find("hello", answers.find("hello") + 1) == answers.npos) {
    ASSERT_TRUE(receive_some());
    char bytes[4096];
    for (int got; (got = SSL_read(session.get(), bytes, sizeof(bytes))) > 0;)
      answers.append(bytes, static_cast<std::size_t>(got));
  }
}

TEST_F(TlsTest, OrderlyEndsAreSaidAndOthersAreNot) {
  options_.idle_timeout = Millis(60);
  options_.write_timeout = Millis(60);
  start();
  clock_.stop();
  Client asked = connect();
  asked.ask("GET /hello HTTP/1.1\r\nConnection: close\r\n" + kHost);
  EXPECT_TRUE(asked.ended());
  EXPECT_TRUE(said_goodbye(asked));
  Client idle = connect();
  idle.ask(kHello);
  Client refused = connect();
  refused.ask("rubbish\r\n\r\n");
  EXPECT_TRUE(refused.ended());
  EXPECT_TRUE(said_goodbye(refused));

  SSL_CTX_clear_options(tls_.context(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  Client slow = connect();
  slow.send("GET /huge HTTP/1.1\r\n" + kHost);
  EXPECT_TRUE(eventually([&] { return slow.readable(); }));
  clock_.go();
  EXPECT_TRUE(idle.ended());
  EXPECT_TRUE(said_goodbye(idle));
  EXPECT_TRUE(slow.wait_closed());
  EXPECT_LT(slow.read_all().size(), kBigBody);
  EXPECT_FALSE(said_goodbye(slow));
}

TEST_F(TlsTest, ClientThatWillSendNoMoreGetsItsAnswers) {
  start();
  Client client = connect();
  client.send(kHello + "GET /later HTTP/1.1\r\n" + kHost + kHello);
  SSL_shutdown(client.session());
  held_.take()(text("later"));
  EXPECT_EQ(client.read().body, "hello");
  EXPECT_EQ(client.read().body, "later");
  EXPECT_EQ(client.read().body, "hello");
  EXPECT_TRUE(client.ended());
}

TEST_F(TlsTest, KeysMayBeChangedOnTheWay) {
  start();
  Client client = connect();
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(
        SSL_key_update(client.session(), i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(client.ask(kHello).body, "hello") << i;
  }
  // While the server cannot say what it has to, as its answer is in the way.
  client.send("GET /huge HTTP/1.1\r\n" + kHost);
  SSL_key_update(client.session(), SSL_KEY_UPDATE_REQUESTED);
  client.send(kHello);
  EXPECT_EQ(client.read().body.size(), kBigBody);
  EXPECT_EQ(client.read().body, "hello");
}

// Records that are no bytes of a request must not hide the ones that came with them.
TEST_F(TlsTest, KeysMayBeChangedInFrontOfARequest) {
  start();
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    BIO* const gathered = BIO_new(BIO_s_mem());
    BIO_up_ref(gathered);
    SSL_set0_wbio(client.session(), gathered);
    for (int updates = 0; updates < 20; ++updates) {
      SSL_key_update(client.session(), SSL_KEY_UPDATE_NOT_REQUESTED);
      ASSERT_EQ(SSL_do_handshake(client.session()), 1);
    }
    SSL_write(client.session(), kHello.data(), static_cast<int>(kHello.size()));
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(gathered, &bytes);
    ASSERT_TRUE(::send(client.fd(), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL) == size);
    SSL_set0_wbio(client.session(), BIO_new_socket(client.fd(), BIO_NOCLOSE));
    BIO_free(gathered);
    EXPECT_EQ(client.read().body, "hello");
  }
}

TEST_F(TlsTest, RenegotiationIsRefused) {
  start();
  TlsClient tls;
  tls.only(TLS1_2_VERSION);
  Client client = connect_plain();
  ASSERT_TRUE(client.secure(tls));
  EXPECT_EQ(client.ask(kHello).body, "hello");
  SSL_renegotiate(client.session());
  EXPECT_NE(SSL_do_handshake(client.session()), 1);
  EXPECT_EQ(hello_as(tls_), "hello");
}

TEST_F(TlsTest, SessionsAreResumed) {
  options_.threads = 2;
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient tls;
    tls.only(version);
    Client first = connect_plain();
    ASSERT_TRUE(first.secure(tls));
    EXPECT_EQ(first.ask(kHello).body, "hello");  // TLS 1.3 has the ticket after the handshake
    const std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> ticket(SSL_get1_session(first.session()),
                                                                      SSL_SESSION_free);
    Client second = connect_plain();
    Session session(SSL_new(tls.context()));
    SSL_set_session(session.get(), ticket.get());
    SSL_set_fd(session.get(), second.fd());
    EXPECT_EQ(SSL_connect(session.get()), 1);
    EXPECT_EQ(SSL_session_reused(session.get()), 1) << version;
  }
}

TEST_F(TlsTest, UnixSocketStaysPlain) {
  options_.unix_socket = certificates_->file("sock");
  start();
  EXPECT_EQ(Client::local(options_.unix_socket).ask(kHello).body, "hello");
}

TEST_F(TlsTest, ClientsMustPresentACertificateIfTold) {
  const TestCertificate ca("ca");
  const TestCertificate stranger("ca");  // of the same name
  options_.tls.client_ca = certificates_->file("ca.pem");
  ca.write_certificate(options_.tls.client_ca);
  start();
  int count = 0;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto hello_with = [&](const TestCertificate* certificate) {
      TlsClient tls;
      tls.only(version);
      if (certificate != nullptr) tls.present(certificate->certificate(), certificate->key());
      return hello_as(tls);
    };
    const TestCertificate good("client", {.issuer = &ca, .ca = false});
    const TestCertificate forged("client", {.issuer = &stranger, .ca = false});
    const TestCertificate old("client", {.issuer = &ca, .ends_in_s = -60, .ca = false});
    EXPECT_EQ(hello_with(&good), "hello");
    for (const TestCertificate* bad : {static_cast<const TestCertificate*>(nullptr), &forged, &old}) {
      EXPECT_EQ(hello_with(bad), "");
      ++count;
      EXPECT_TRUE(eventually([&] { return failed(count); }));
    }
  }
}

}  // namespace
}  // namespace drover::http
