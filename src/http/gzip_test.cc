#include "http/gzip.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <random>
#include <thread>

#include "http/testing/server_fixture.h"

namespace drover::http {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kHost = "Host: x\r\n\r\n";
const std::string kGzip = "Accept-Encoding: gzip\r\n" + kHost;

// Empty if it is not one whole gzip member.
std::string gunzip(std::string_view packed) {
  z_stream stream{};
  if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  int state = Z_OK;
  while (state == Z_OK) {
    char piece[16 * 1024];
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof(piece);
    state = inflate(&stream, Z_NO_FLUSH);
    text.append(piece, sizeof(piece) - stream.avail_out);
  }
  inflateEnd(&stream);
  return state == Z_STREAM_END && stream.avail_in == 0 ? text : std::string();
}

std::string prose(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; out.size() < size; ++i) out += "line " + std::to_string(i * i % 9973) + ", ";
  out.resize(size);
  return out;
}

std::string noise(std::size_t size) {
  std::mt19937 random(7);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

TEST(Gzip, GivesBackWhatWentIn) {
  for (const std::size_t size : {1, 100, 1024, 32 * 1024, 100'000, 3'000'000}) {
    const std::string text = prose(size);
    const auto packed = gzip(text);
    if (size < 100) {
      EXPECT_FALSE(packed);
      continue;
    }
    ASSERT_TRUE(packed) << size;
    EXPECT_LT(packed->size(), text.size());
    EXPECT_EQ(gunzip(*packed), text) << size;
  }
}

TEST(Gzip, GivesUpWhenItWouldNotBeSmaller) {
  for (const std::size_t size : {0, 1, 20, 1024, 32 * 1024, 1'000'000})
    EXPECT_FALSE(gzip(noise(size))) << size;
  EXPECT_EQ(gunzip(gzip(prose(2000)).value_or("")), prose(2000));  // and works after that
}

TEST(Gzip, ASharedBodyIsCompressedOnceWhileItIsOnItsWay) {
  Response first;
  first.shared_body = std::make_shared<const std::string>(prose(100'000));
  Response second = first;
  gzip_body(first);
  gzip_body(second);
  EXPECT_EQ(first.shared_body, second.shared_body);
  EXPECT_EQ(gunzip(*first.shared_body), prose(100'000));
  EXPECT_EQ(second.content_encoding, "gzip");
  // Another one, even where the old one was.
  for (int i = 0; i < 100; ++i) {
    Response other;
    other.shared_body = std::make_shared<const std::string>(prose(10'000) + std::to_string(i));
    const std::string text = *other.shared_body;
    gzip_body(other);
    ASSERT_EQ(gunzip(*other.shared_body), text);
  }
}

class GzipServerTest : public ServerTest {
 protected:
  void add(const std::string& path, Response response) {
    router_.add(Method::kGet, path, [response](const Request&, Responder respond) { respond(response); });
  }
};

TEST_F(GzipServerTest, CompressesForThoseWhoAsk) {
  const std::string body = prose(16'000);
  add("/text", text(body));
  start();
  Client client = connect();
  const Answer packed = client.ask("GET /text HTTP/1.1\r\n" + kGzip);
  EXPECT_EQ(packed.header("Content-Encoding"), "gzip");
  EXPECT_EQ(packed.header("Vary"), "Accept-Encoding");
  EXPECT_EQ(packed.header("Content-Type"), "text/plain");
  EXPECT_LT(packed.body.size(), body.size() / 2);
  EXPECT_EQ(gunzip(packed.body), body);

  const Answer plain = client.ask("GET /text HTTP/1.1\r\nAccept-Encoding: gzip;q=0, *\r\n" + kHost);
  EXPECT_EQ(plain.body, body);
  EXPECT_FALSE(plain.header("Content-Encoding"));
  EXPECT_EQ(plain.header("Vary"), "Accept-Encoding");

  client.send("HEAD /text HTTP/1.1\r\n" + kGzip + "HEAD /text HTTP/1.1\r\n" + kHost);
  const Answer head = client.read(true);
  EXPECT_EQ(head.header("Content-Encoding"), "gzip");
  EXPECT_EQ(head.header("Content-Length"), std::to_string(packed.body.size()));
  EXPECT_EQ(client.read(true).header("Content-Length"), std::to_string(body.size()));
}

TEST_F(GzipServerTest, LeavesAloneWhatWouldGainNothing) {
  add("/least", text(prose(kLeastGzip)));
  add("/less", text(prose(kLeastGzip - 1)));
  add("/noise", text(noise(5000)));
  add("/long-noise", text(noise(500'000)));
  add("/nothing", text(prose(5000), 204));
  Response done = text(prose(5000));
  done.content_encoding = "br";
  done.headers.emplace_back("Content-Encoding", "gzip");  // ours to set
  add("/encoded", done);
  start();
  Client client = connect();
  const auto get = [&](const std::string& path) {
    return client.ask("GET " + path + " HTTP/1.1\r\n" + kGzip);
  };
  EXPECT_EQ(get("/least").header("Content-Encoding"), "gzip");
  EXPECT_FALSE(get("/less").header("Content-Encoding"));
  EXPECT_FALSE(get("/less").header("Vary"));
  for (const std::string path : {"/noise", "/long-noise"}) {
    EXPECT_FALSE(get(path).header("Content-Encoding"));
    EXPECT_EQ(get(path).header("Vary"), "Accept-Encoding");
    EXPECT_EQ(get(path).body, noise(path == "/noise" ? 5000 : 500'000));
  }
  const Answer nothing = get("/nothing");
  EXPECT_EQ(nothing.status, 204u);
  EXPECT_FALSE(nothing.header("Content-Encoding"));
  EXPECT_FALSE(nothing.header("Vary"));
  const Answer encoded = get("/encoded");
  EXPECT_EQ(encoded.header("Content-Encoding"), "br");
  EXPECT_THAT(encoded.head, Not(HasSubstr("gzip")));
  EXPECT_EQ(encoded.body, prose(5000));
}

TEST_F(GzipServerTest, ErrorsAreCompressedAsWell) {
  router_.set_error_body([](unsigned, std::string_view message, std::string_view) {
    return std::string(message) + prose(2000);
  });
  add("/wrong", text(prose(3000), 400));
  start();
  Client client = connect();
  const Answer wrong = client.ask("GET /wrong HTTP/1.1\r\n" + kGzip);
  EXPECT_EQ(wrong.status, 400u);
  EXPECT_EQ(gunzip(wrong.body), prose(3000));
  EXPECT_THAT(gunzip(client.ask("GET /nope HTTP/1.1\r\n" + kGzip).body), HasSubstr("no such path"));
}

TEST_F(GzipServerTest, LongAnswersAreCompressedByWhoAnswers) {
  const std::string body = prose(1'000'000);
  std::vector<std::string> encodings;  // as the filter, on the answering thread, saw them
  router_.add(Method::kGet, "/long", [&](const Request&, Responder respond) {
    respond.intercept([&](Response response, Responder next) {
      encodings.push_back(response.content_encoding);
      next(std::move(response));
    });
    held_.put(std::move(respond));
  });
  start();
  Client client = connect();
  client.send("GET /long HTTP/1.1\r\n" + kGzip + "GET /long HTTP/1.1\r\n" + kHost);
  std::thread answering([&] {
    held_.take()(text(body));
    held_.take()(text(body));
  });
  EXPECT_EQ(gunzip(client.read().body), body);
  EXPECT_EQ(client.read().body, body);
  answering.join();
  EXPECT_THAT(encodings, testing::ElementsAre("gzip", ""));
}

}  // namespace
}  // namespace drover::http
