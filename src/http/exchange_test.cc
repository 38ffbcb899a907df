#include "http/exchange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace drover::http {
namespace {

using Step = Exchange::Step;

// What an exchange makes of a stream of bytes.
struct Reading {
  std::vector<std::string> requests;  // method, path, x-a, body
  unsigned refused = 0;
  bool operator==(const Reading&) const = default;
};

// Puts `bytes` in, `piece` bytes at a time.
Reading read_in_pieces(const std::string& bytes, std::size_t piece) {
  Exchange exchange(1024);
  Reading reading;
  std::size_t at = 0;
  bool unparsed = false;
  for (;;) {
    if (unparsed) {
      switch (exchange.parse()) {
        case Step::kMore:
          unparsed = false;
          break;
        case Step::kHead:
          exchange.set_max_body(10'000);
          break;
        case Step::kComplete:
          reading.requests.push_back(
              std::string(exchange.method_text()) + " " + std::string(exchange.raw_path()) + " " +
              std::string(exchange.header("X-A").value_or("-")) + " " + std::string(exchange.body()));
          exchange.next();
          unparsed = exchange.begun();
          break;
        case Step::kBad:
          reading.refused = exchange.refusal().status;
          return reading;
      }
      continue;
    }
    if (at == bytes.size()) return reading;
    const auto space = exchange.space();
    EXPECT_FALSE(space.empty());
    const std::size_t size = std::min({piece, space.size(), bytes.size() - at});
    std::memcpy(space.data(), bytes.data() + at, size);
    exchange.commit(size);
    at += size;
    unparsed = true;
  }
}

TEST(Exchange, ReadsTheSameHoweverTheBytesCome) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) {
    bytes +=
        "\r\nGET /a?b=c HTTP/1.1\r\nHost: x\r\nX-A: " + std::string(200 * static_cast<std::size_t>(i), 'a') +
        "\r\n\r\n";
    bytes += "POST /sized HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + std::string(9000, 's');
    bytes += "POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    bytes += "7d0;ext=\"1\"\r\n" + std::string(2000, 'c') + "\r\n1\r\nd\r\n000\r\nTrailer: t\r\n\r\n";
    bytes += "POST /none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    bytes += "PUT /empty HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
  }
  const Reading whole = read_in_pieces(bytes, bytes.size());
  ASSERT_EQ(whole.requests.size(), 20u);
  EXPECT_EQ(whole.refused, 0u);
  EXPECT_EQ(whole.requests[1], "POST /sized - " + std::string(9000, 's'));
  EXPECT_EQ(whole.requests[2], "POST /chunked - " + std::string(2000, 'c') + "d");
  EXPECT_EQ(whole.requests[3], "POST /none - ");
  EXPECT_EQ(whole.requests[5], "GET /a " + std::string(200, 'a') + " ");
  for (std::size_t piece = 1; piece < 300; ++piece) ASSERT_EQ(read_in_pieces(bytes, piece), whole) << piece;
}

TEST(Exchange, RefusesTheSameHoweverTheBytesCome) {
  for (const std::string& bytes :
       {std::string("rubbish\r\n\r\n"), "GET /" + std::string(2000, 'a'),
        std::string("GET / HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(20'000, 'x'),
        std::string("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2711\r\n"),
        std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10001\r\n\r\n")}) {
    const Reading whole = read_in_pieces(bytes, bytes.size());
    EXPECT_NE(whole.refused, 0u);
    EXPECT_TRUE(whole.requests.empty());
    for (std::size_t piece = 1; piece < 100; ++piece) ASSERT_EQ(read_in_pieces(bytes, piece), whole) << piece;
  }
}

TEST(Exchange, PeersAddressHasNoPort) {
  Exchange exchange(1024);
  exchange.set_peer("[2001:db8::7]:4711", false, false);
  EXPECT_EQ(exchange.peer_address(), "2001:db8::7");
  exchange.set_peer("192.0.2.7:4711", false, false);
  EXPECT_EQ(exchange.peer_address(), "192.0.2.7");
  exchange.set_peer("local", true, false);
  EXPECT_EQ(exchange.peer_address(), "local");
}

TEST(Exchange, DoesNotReserveWhatWasOnlyAnnounced) {
  Exchange exchange(1024);
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n";
  std::memcpy(exchange.space().data(), head.data(), head.size());
  exchange.commit(head.size());
  ASSERT_EQ(exchange.parse(), Step::kHead);
  exchange.set_max_body(2'000'000'000);
  ASSERT_EQ(exchange.parse(), Step::kMore);
  std::size_t came = 0;
  while (came < 10'000'000) {
    const auto space = exchange.space();
    ASSERT_LE(space.size(), std::max<std::size_t>(came, 4096));
    exchange.commit(space.size());
    came += space.size();
    ASSERT_EQ(exchange.parse(), Step::kMore);
  }
}

}  // namespace
}  // namespace drover::http
