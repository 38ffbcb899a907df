// Clients that are slow, broken or malicious.
#include <gmock/gmock.h>

#include "http/testing/server_fixture.h"

namespace drover::http {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

const std::string kHost = "Host: x\r\n\r\n";
const std::string kHello = "GET /hello HTTP/1.1\r\n" + kHost;

class HostileTest : public ServerTest {
 protected:
  void expect_refused(const std::string& bytes, unsigned status = 400) {
    Client client = connect();
    const Answer answer = client.ask(bytes);
    EXPECT_EQ(answer.status, status) << testing::PrintToString(bytes.substr(0, 200));
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_THAT(answer.body, HasSubstr("KOOPHONE.API.1000"));
    EXPECT_TRUE(client.ended()) << testing::PrintToString(bytes.substr(0, 200));
  }
};

TEST_F(HostileTest, ByteByByteIsFine) {
  start();
  Client client = connect();
  const std::string chunked =
      "\r\nPOST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: "
      "x\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
  const std::string sized = "POST /echo HTTP/1.1\r\nContent-Length: 5\r\nHost: x\r\n\r\nfghij";
  for (const char c : chunked + sized) ASSERT_TRUE(client.send({&c, 1}));
  EXPECT_EQ(client.read().body, "abcde");
  EXPECT_EQ(client.read().body, "fghij");
}

TEST_F(HostileTest, RefusesWhatIsNotHttp) {
  start();
  for (const std::string bytes :
       {"rubbish\r\n\r\n", "GET\r\n\r\n", "GET /hello\r\n\r\n", "GET /hello HTTP/2.0\r\n\r\n",
        "GET /hello HTTP/1.1 x\r\n\r\n", "GET  /hello HTTP/1.1\r\n\r\n", "GET hello HTTP/1.1\r\n\r\n",
        "G\x01T /hello HTTP/1.1\r\n\r\n"}) {
    expect_refused(bytes);
  }
  expect_refused("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s);  // TLS
  expect_refused("GET /hel\0lo HTTP/1.1\r\nHost: x\r\n\r\n"s);
  expect_refused("GET /hello HTTP/1.1\r\nHost: \0x\r\n\r\n"s);
  expect_refused(std::string(1000, '\0'));
  EXPECT_EQ(ask_once(kHello).body, "hello");
}

TEST_F(HostileTest, RefusesHeadersThatServersReadDifferently) {
  start();
  const std::string post = "POST /echo HTTP/1.1\r\nHost: x\r\n";
  for (const std::string fields : {
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: chunked, identity\r\n",
           "Transfer-Encoding : chunked\r\n",
           "Content-Length: 3\r\nContent-Length: 3\r\n",
           "Content-Length: 3, 3\r\n",
           "Content-Length: -3\r\n",
           "Content-Length: +3\r\n",
           "Content-Length: 0x3\r\n",
           "Content-Length: 3 3\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999\r\n",
           "X-A: a\r\n folded\r\n",
           "X-A:\r\n folded\r\n",
           "X-A: a\r\n \r\n",
           "X-A a\r\n",
           ": a\r\n",
           "X\x80: a\r\n",
           "X-A: a\rb\r\n",
           "X-A: a\nX-B: b\r\n",
           "Host: y\r\n",
       }) {
    expect_refused(post + fields + "\r\n");
  }
  expect_refused("GET /hello HTTP/1.1\r\n\r\n");                                         // no Host
  expect_refused("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");  // not in 1.0
  expect_refused(" GET /hello HTTP/1.1\r\n" + kHost);
}

TEST_F(HostileTest, RefusesMalformedChunks) {
  start();
  const std::string post = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string body : {"x\r\n", "-1\r\n", "0x3\r\n\r\n", "3\nabc\r\n", "3\r\nabcd\r\n0\r\n\r\n",
                                 "3 \r\nabc\r\n", "11111111111111111\r\n", "3;=\r\nabc\r\n",
                                 "0\r\nBad Trailer: x\r\n\r\n", "0\r\nContent-Length: 1\r\n\r\n"}) {
    expect_refused(post + body);
  }
  expect_refused(post + "FFFFFFFFFFFFFFFF\r\n", 413);
  expect_refused(post + "1;" + std::string(100'000, 'x'));        // a chunk line without end
  expect_refused(post + "0\r\nT: " + std::string(100'000, 'x'));  // a trailer without end
}

TEST_F(HostileTest, RefusesMalformedEscapes) {
  start();
  for (const std::string target : {"/items/%/x", "/items/%2/x", "/items/%zz/x", "/items/%00/x", "/hello?%f",
                                   "/hello?q=%00", "*", "http://", "ftp://x/hello"}) {
    expect_refused("GET " + target + " HTTP/1.1\r\n" + kHost);
  }
}

TEST_F(HostileTest, HeaderSizeIsBounded) {
  options_.max_header = 1000;
  start();
  const auto request_of = [](std::size_t size) {
    const std::string rest = "GET /hello HTTP/1.1\r\nHost: x\r\nX-A: \r\n\r\n";
    return "GET /hello HTTP/1.1\r\nHost: x\r\nX-A: " + std::string(size - rest.size(), 'a') + "\r\n\r\n";
  };
  Client client = connect();
  EXPECT_EQ(client.ask(request_of(1000)).status, 200u);
  EXPECT_EQ(client.ask(request_of(999)).status, 200u);
  expect_refused(request_of(1001), 431);
  expect_refused(request_of(1'000'000), 431);
  expect_refused("GET /" + std::string(5000, 'a'), 431);

  std::string many = "GET /hello HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 150; ++i) many += "a:\r\n";
  expect_refused(many + "\r\n", 431);

  // The limit is for the whole, however slowly it comes.
  Client slow = connect();
  slow.send("GET /hello HTTP/1.1\r\nHost: x\r\n");
  while (!slow.readable() &&
         slow.send("X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")) {
  }
  EXPECT_EQ(slow.read().status, 431u);
}

TEST_F(HostileTest, ManyQueryParametersAreRefused) {
  start();
  std::string query = "?";
  for (int i = 0; i < 200; ++i) query += "a&";
  expect_refused("GET /hello" + query + " HTTP/1.1\r\n" + kHost);
}

TEST_F(HostileTest, BodySizeIsBoundedByRoute) {
  start();
  const std::string post = "POST /small HTTP/1.1\r\nHost: x\r\n";
  Client client = connect();
  EXPECT_EQ(client.ask(post + "Content-Length: 10\r\n\r\n0123456789").body, "0123456789");
  EXPECT_EQ(client.ask(post + "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n").body,
            "0123456789");
  EXPECT_EQ(client.ask(post + "Content-Length: 11\r\n\r\n0123456789a").status,
            413u);  // it was all there: kept
  EXPECT_EQ(client.ask(kHello).body, "hello");
  expect_refused(post + "Content-Length: 11\r\n\r\n", 413);  // decided without the body
  expect_refused(post + "Content-Length: 18446744073709551615\r\n\r\n", 413);
  expect_refused(post + "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n", 413);
}

TEST_F(HostileTest, ClientThatSendsItsWholeBodyFirstStillReadsTheRefusal) {
  start();
  Client client = connect();
  client.send("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n");
  client.send(std::string(10 * 1024 * 1024, 'x'));
  EXPECT_EQ(client.read().status, 413u);
  EXPECT_TRUE(client.ended());
}

TEST_F(HostileTest, BodyOfAnUnknownPathDoesNotBecomeARequest) {
  start();
  Client client = connect();
  client.send("POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(kHello.size()) +
              "\r\n\r\n" + kHello + kHello);
  EXPECT_EQ(client.read().status, 404u);
  EXPECT_EQ(client.read().body, "hello");
  Client chunked = connect();
  chunked.send("POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + kHello);
  EXPECT_EQ(chunked.read().status, 404u);
  EXPECT_TRUE(chunked.ended());
}

TEST_F(HostileTest, HalfARequestEndsWith400) {
  start();
  for (const std::string bytes :
       {"GET /hel", "GET /hello HTTP/1.1\r\nHost: x\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    Client client = connect();
    client.send(bytes);
    client.half_close();
    EXPECT_EQ(client.read().status, 400u);
    EXPECT_TRUE(client.ended());
  }
  Client silent = connect();
  silent.send("\r\n\r\n");
  silent.half_close();
  EXPECT_TRUE(silent.ended());
}

TEST_F(HostileTest, HalfClosedClientGetsAllItsAnswers) {
  start();
  Client client = connect();
  client.send(kHello + "GET /later HTTP/1.1\r\n" + kHost + kHello);
  client.half_close();
  held_.take()(text("later"));
  EXPECT_EQ(client.read().body, "hello");
  EXPECT_EQ(client.read().body, "later");
  EXPECT_EQ(client.read().body, "hello");
  EXPECT_TRUE(client.ended());
}

TEST_F(HostileTest, HeaderHasATimeLimit) {
  options_.header_timeout = Millis(60);
  options_.max_header = 1024 * 1024;
  start();
  clock_.stop();
  Client client = connect();
  EXPECT_EQ(client.ask(kHello).body, "hello");
  Client slow = connect();
  EXPECT_EQ(slow.ask(kHello).body, "hello");
  clock_.go();
  EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\nHost: ").status, 408u);
  EXPECT_TRUE(client.ended());
  // Sending on does not help.
  slow.send("GET /hello HTTP/1.1\r\nX: ");
  while (!slow.readable() && slow.send("a")) std::this_thread::yield();
  EXPECT_EQ(slow.read().status, 408u);
  EXPECT_TRUE(slow.ended());
}

TEST_F(HostileTest, BodyHasATimeLimit) {
  options_.body_timeout = Millis(60);
  start();
  for (const std::string bytes :
       {"Content-Length: 5\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n5\r\na"}) {
    Client client = connect();
    EXPECT_EQ(client.ask("POST /echo HTTP/1.1\r\nHost: x\r\n" + bytes).status, 408u);
    EXPECT_TRUE(client.ended());
  }
}

TEST_F(HostileTest, IdleConnectionsAreClosed) {
  options_.idle_timeout = Millis(60);
  start();
  Client silent = connect();
  EXPECT_TRUE(silent.ended());
  clock_.stop();
  Client used = connect();
  EXPECT_EQ(used.ask(kHello).body, "hello");
  clock_.go();
  EXPECT_TRUE(used.ended());
  Client blank = connect();
  blank.send("\r\n\r\n");
  EXPECT_TRUE(blank.ended());
}

TEST_F(HostileTest, HandlersHaveNoTimeLimit) {
  options_.idle_timeout = options_.header_timeout = options_.body_timeout = options_.write_timeout =
      Millis(40);
  start();
  clock_.stop();
  Client waiting = connect();
  waiting.send("GET /later HTTP/1.1\r\n" + kHost);
  const Responder respond = held_.take();
  Client idle = connect();
  clock_.go();
  EXPECT_TRUE(idle.ended());  // begun later, closed already
  EXPECT_FALSE(respond.abandoned());
  respond(text("late"));
  EXPECT_EQ(waiting.read().body, "late");
  EXPECT_TRUE(waiting.ended());
}

TEST_F(HostileTest, ClientThatDoesNotReadIsCutOff) {
  options_.write_timeout = Millis(60);
  start();
  Client client = connect();
  client.send("GET /huge HTTP/1.1\r\n" + kHost);
  EXPECT_TRUE(client.wait_closed());
  EXPECT_LT(client.read_all().size(), kBigBody);
  EXPECT_TRUE(eventually([&] { return has_metric("code=\"499\",method=\"GET\",route=\"/huge\"} 1\n"); }));
}

TEST_F(HostileTest, OneConnectionThatAlwaysSendsDoesNotStarveOthers) {
  start();
  Client greedy = connect();
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += kHello;
  std::thread sender([&] {
    while (greedy.send(requests)) {
    }
  });
  std::thread reader([&] { greedy.read_all(); });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask_once(kHello).body, "hello");
  server_->stop(Millis(0));
  sender.join();
  reader.join();
}

TEST_F(HostileTest, WhoIsRefusedForOverloadIsNotHeardForAMoment) {
  start();
  const std::string busy = "GET /busy HTTP/1.1\r\n" + kHost;
  Client pushing = connect();
  Client other = connect();
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::steady_clock::now() - begin; };
  EXPECT_EQ(pushing.ask(busy + busy).status, 503u);
  EXPECT_EQ(other.ask(kHello).body, "hello");
  EXPECT_EQ(pushing.read().status, 503u);  // what was sent together with the first
  EXPECT_GE(passed(), Millis(100));
  EXPECT_EQ(pushing.ask(kHello).body, "hello");  // what is sent during the rest
  EXPECT_GE(passed(), Millis(200));
  EXPECT_EQ(pushing.ask(kHello).body, "hello");
  pushing.send(busy);
  pushing.half_close();
  EXPECT_EQ(pushing.read().status, 503u);
  EXPECT_TRUE(pushing.ended());
}

TEST_F(HostileTest, BeyondMaxConnectionsClientsAreToldToComeBack) {
  options_.max_connections = 2;
  start();
  Client first = connect();
  Client second = connect();
  EXPECT_EQ(first.ask(kHello).status, 200u);
  EXPECT_EQ(second.ask(kHello).status, 200u);
  {
    Client third = connect();
    const Answer answer = third.ask(kHello);
    EXPECT_EQ(answer.status, 503u);
    EXPECT_EQ(answer.header("Retry-After"), "1");
    EXPECT_TRUE(answer.header("X-Request-Id"));
    EXPECT_THAT(answer.body, HasSubstr("KOOPHONE.API.9999"));
    EXPECT_TRUE(third.ended());
  }
  // Not even many of them at once stop the server.
  std::vector<Client> crowd;
  for (int i = 0; i < 100; ++i) crowd.push_back(connect());
  EXPECT_EQ(first.ask(kHello).status, 200u);
  crowd.clear();
  first.close();
  EXPECT_TRUE(eventually([&] { return ask_once(kHello).status == 200; }));
}

}  // namespace
}  // namespace drover::http
