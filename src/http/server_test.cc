// What a well-behaved client sees.
#include "http/server.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <cstring>
#include <sstream>

#include "http/errc.h"
#include "http/testing/server_fixture.h"

namespace drover::http {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

const std::string kHost = "Host: x\r\n\r\n";

TEST_F(ServerTest, AnswersWithTheHeadersEveryAnswerHas) {
  start();
  const Answer answer = ask_once("GET /hello HTTP/1.1\r\n" + kHost);
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.header("Content-Type"), "text/plain");
  EXPECT_EQ(answer.header("Content-Length"), "5");
  EXPECT_THAT(answer.header("Date").value_or(""),
              MatchesRegex("[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"));
  EXPECT_THAT(answer.header("X-Request-Id").value_or(""), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_FALSE(answer.header("Server"));
  EXPECT_FALSE(answer.header("Connection"));
}

TEST_F(ServerTest, KeepsTheConnection) {
  start();
  Client client = connect();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\n" + kHost).body, "hello");
  EXPECT_TRUE(has_metric("drover_http_connections 1\n"));
}

TEST_F(ServerTest, ClosesWhenTheClientAsksForIt) {
  start();
  Client client = connect();
  const Answer answer = client.ask("GET /hello HTTP/1.1\r\nConnection: close\r\n" + kHost);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(ServerTest, Http10ClosesUnlessKeepAliveIsAsked) {
  start();
  Client once = connect();
  EXPECT_EQ(once.ask("GET /hello HTTP/1.0\r\n\r\n").header("Connection"), "close");
  EXPECT_TRUE(once.ended());

  Client kept = connect();
  EXPECT_EQ(kept.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").header("Connection"),
            "keep-alive");
  EXPECT_EQ(kept.ask("GET /hello HTTP/1.0\r\n\r\n").body, "hello");
}

TEST_F(ServerTest, HeadIsGetWithoutTheBody) {
  start();
  Client client = connect();
  client.send("HEAD /hello HTTP/1.1\r\n" + kHost + "GET /hello HTTP/1.1\r\n" + kHost);
  const Answer head = client.read(true);
  EXPECT_EQ(head.status, 200u);
  EXPECT_EQ(head.header("Content-Length"), "5");
  EXPECT_EQ(client.read().body, "hello");
}

TEST_F(ServerTest, UnknownPathIs404AndWrongMethodIs405WithAllow) {
  router_.add(Method::kPost, "/hello", [](const Request&, Responder respond) { respond(text("")); });
  start();
  Client client = connect();
  const Answer unknown = client.ask("GET /nope HTTP/1.1\r\n" + kHost);
  EXPECT_EQ(unknown.status, 404u);
  EXPECT_THAT(unknown.body, HasSubstr(R"("error_code":"APIGW.0101")"));
  EXPECT_EQ(unknown.header("Content-Type"), "application/json");
  for (const std::string method : {"DELETE", "PATCH", "OPTIONS", "BREW"}) {
    const Answer wrong = client.ask(method + " /hello HTTP/1.1\r\n" + kHost);
    EXPECT_EQ(wrong.status, 405u);
    EXPECT_EQ(wrong.header("Allow"), "GET, HEAD, POST");
    EXPECT_THAT(wrong.body, HasSubstr(R"("error_code":"APIGW.0101")"));
  }
  EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\n" + kHost).status, 200u);  // still the same connection
}

TEST_F(ServerTest, ErrorBodiesAreTheRouters) {
  router_.set_error_body([](unsigned status, std::string_view message, std::string_view path) {
    return std::to_string(status) + ":" + std::string(message) + ":" + std::string(path);
  });
  start();
  EXPECT_EQ(ask_once("GET /no%70e?x HTTP/1.1\r\n" + kHost).body, "404:there is no such path:/no%70e");
  EXPECT_THAT(ask_once("GET nope HTTP/1.1\r\n" + kHost).body, testing::StartsWith("400:"));
}

TEST_F(ServerTest, DecodesPathParametersAndQuery) {
  start();
  Client client = connect();
  EXPECT_EQ(client.ask("GET /items/a%2Fb/%C3%A9+?x=1&q=a%20b+c%26&q=2 HTTP/1.1\r\n" + kHost).body,
            "a/b|é+|a b c&");
  EXPECT_EQ(client.ask("GET /items/1/2?q HTTP/1.1\r\n" + kHost).body, "1|2|");
  EXPECT_EQ(client.ask("GET /items/1/2 HTTP/1.1\r\n" + kHost).body, "1|2|none");
  EXPECT_EQ(client.ask("GET /%68ello HTTP/1.1\r\n" + kHost).body, "hello");
  EXPECT_EQ(client.ask("GET /items//2 HTTP/1.1\r\n" + kHost).status, 404u);
  EXPECT_EQ(client.ask("GET /hello/ HTTP/1.1\r\n" + kHost).status, 404u);
}

TEST_F(ServerTest, TakesOtherFormsOfTheTarget) {
  start();
  Client client = connect();
  EXPECT_EQ(client.ask("GET //hello HTTP/1.1\r\n" + kHost).body, "hello");
  EXPECT_EQ(client.ask("GET http://example.com:80/hello HTTP/1.1\r\n" + kHost).body, "hello");
  EXPECT_EQ(client.ask("GET HTTP://example.com//items/1/2?q=3 HTTP/1.1\r\n" + kHost).body, "1|2|3");
  EXPECT_EQ(client.ask("GET http://example.com HTTP/1.1\r\n" + kHost).status, 404u);
  EXPECT_EQ(client.ask("CONNECT example.com:443 HTTP/1.1\r\n" + kHost).status, 400u);
}

TEST_F(ServerTest, OneEmptySegmentAtTheBeginningIsForgiven) {
  start();
  Client client = connect();
  EXPECT_EQ(client.ask("GET //hello HTTP/1.1\r\n" + kHost).body, "hello");
  EXPECT_EQ(client.ask("GET ///hello HTTP/1.1\r\n" + kHost).status, 404u);
  EXPECT_EQ(client.ask("GET //items//2 HTTP/1.1\r\n" + kHost).status, 404u);
  EXPECT_EQ(client.ask("GET // HTTP/1.1\r\n" + kHost).status, 404u);
}

TEST_F(ServerTest, HandlersSeeTheTargetAsItCame) {
  router_.add(Method::kGet, "/raw/{part}", [](const Request& request, Responder respond) {
    respond(text(std::string(request.method_text()) + " " + std::string(request.raw_path()) + " " +
                 std::string(request.raw_query())));
  });
  start();
  Client client = connect();
  const auto seen = [&](const std::string& target) {
    return client.ask("GET " + target + " HTTP/1.1\r\n" + kHost).body;
  };
  EXPECT_EQ(seen("/raw/a%7e+%2F?q=%41+b&q&&c=?"), "GET /raw/a%7e+%2F q=%41+b&q&&c=?");
  EXPECT_EQ(seen("//raw/a?"), "GET //raw/a ");
  EXPECT_EQ(seen("http://other:80//raw/a?b"), "GET //raw/a b");
  client.send("HEAD /raw/x HTTP/1.1\r\n" + kHost);
  EXPECT_EQ(client.read(true).header("Content-Length"), std::to_string(std::strlen("HEAD /raw/x ")));
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  Client client = connect();
  std::string requests;
  for (int i = 0; i < 2000; ++i) {
    requests += "GET /items/" + std::to_string(i) + "/x HTTP/1.1\r\n" + kHost;
    requests += "POST /echo HTTP/1.1\r\nContent-Length: 3\r\n" + kHost + "abc";
  }
  std::thread sender([&] { client.send(requests); });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(client.read().body, std::to_string(i) + "|x|none");
    ASSERT_EQ(client.read().body, "abc");
  }
  sender.join();
}

TEST_F(ServerTest, PipelinedRequestsWaitForTheOneUnderWay) {
  start();
  Client client = connect();
  client.send("GET /later HTTP/1.1\r\n" + kHost + "GET /hello HTTP/1.1\r\n" + kHost +
              "GET /later HTTP/1.1\r\n" + kHost);
  held_.take()(text("first"));
  EXPECT_EQ(client.read().body, "first");
  EXPECT_EQ(client.read().body, "hello");
  held_.take()(text("third"));
  EXPECT_EQ(client.read().body, "third");
}

TEST_F(ServerTest, TakesBodiesOfAnySizeAndForm) {
  start();
  Client client = connect();
  std::string big(10 * 1024 * 1024, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 31 >> 3);
  const std::string sized =
      "POST /big HTTP/1.1\r\nContent-Length: " + std::to_string(big.size()) + "\r\n" + kHost;
  std::thread sender([&] { client.send(sized + big); });
  EXPECT_EQ(client.read().body, big);
  sender.join();

  std::string chunked = "POST /big HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + kHost;
  for (std::size_t at = 0, size = 1; at < big.size(); at += size, size = size * 2 + 1) {
    const std::string piece = big.substr(at, size);
    char line[32];
    std::snprintf(line, sizeof(line), "%zX;a=\"b\"\r\n", piece.size());
    chunked += line + piece + "\r\n";
  }
  chunked += "0\r\nTrailer: x\r\n\r\nGET /hello HTTP/1.1\r\n" + kHost;
  std::thread second([&] { client.send(chunked); });
  EXPECT_EQ(client.read().body, big);
  EXPECT_EQ(client.read().body, "hello");
  second.join();
}

TEST_F(ServerTest, SendsLargeSharedBodiesWhole) {
  start();
  Client client = connect();
  EXPECT_EQ(client.ask("GET /huge HTTP/1.1\r\n" + kHost).body.size(), kBigBody);
  EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\n" + kHost).body, "hello");
}

TEST_F(ServerTest, SaysContinueBeforeTheBodyIsSent) {
  start();
  Client client = connect();
  client.send("POST /echo HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n" + kHost);
  EXPECT_EQ(client.read().status, 100u);
  client.send("body");
  EXPECT_EQ(client.read().body, "body");
  // Not to those who do not wait, nor when the answer is clear without the body.
  client.send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n" + kHost + "body");
  EXPECT_EQ(client.read().body, "body");
  EXPECT_EQ(
      client.ask("POST /small HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 11\r\n" + kHost).status,
      413u);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(ask_once("POST /echo HTTP/1.1\r\nExpect: a-miracle\r\nContent-Length: 11\r\n" + kHost).status,
            417u);
}

TEST_F(ServerTest, RequestIdIsTheClientsIfItIsValid) {
  start();
  Client client = connect();
  const auto id_of = [&](const std::string& query, const std::string& header) {
    return client.ask("GET /hello" + query + " HTTP/1.1\r\n" + header + kHost)
        .header("X-Request-Id")
        .value_or("");
  };
  const auto made = MatchesRegex("[0-9a-f]{32}");
  EXPECT_EQ(id_of("", "X-Request-ID: abc-1\r\n"), "abc-1");
  EXPECT_EQ(id_of("?x-request-id=q%2B1", ""), "q+1");
  EXPECT_EQ(id_of("?x-request-id=query", "x-request-id: header\r\n"), "header");
  EXPECT_EQ(id_of("?x-request-id=query", "x-request-id: two words\r\n"), "query");
  EXPECT_EQ(id_of("", "x-request-id: " + std::string(128, 'i') + "\r\n"), std::string(128, 'i'));
  EXPECT_THAT(id_of("", "x-request-id: " + std::string(129, 'i') + "\r\n"), made);
  EXPECT_THAT(id_of("", "x-request-id: caf\xc3\xa9\r\n"), made);
  EXPECT_THAT(id_of("?x-request-id=a%0D%0AEvil:1", ""), made);
  EXPECT_THAT(id_of("?x-request-id=", ""), made);
  EXPECT_NE(id_of("", ""), id_of("", ""));
}

TEST_F(ServerTest, HandlersHeadersAreSentUnlessTheyCouldForgeOthers) {
  router_.add(Method::kGet, "/headers", [](const Request&, Responder respond) {
    Response response = text("x", 429);
    response.headers = {
        {"Retry-After", "7"}, {"Location", "a\r\nEvil: 1"}, {"Content-Length", "3"}, {"A b", "c"}};
    respond(std::move(response));
  });
  router_.add(Method::kGet, "/nothing", [](const Request&, Responder respond) { respond(text("", 204)); });
  router_.add(Method::kGet, "/broken", [](const Request&, Responder respond) { respond(text("", 7)); });
  start();
  Client client = connect();
  const Answer answer = client.ask("GET /headers HTTP/1.1\r\n" + kHost);
  EXPECT_EQ(answer.status, 429u);
  EXPECT_EQ(answer.header("Retry-After"), "7");
  EXPECT_EQ(answer.header("Content-Length"), "1");
  EXPECT_THAT(answer.head, Not(HasSubstr("Evil")));
  EXPECT_THAT(answer.head, Not(HasSubstr("A b")));
  const Answer nothing = client.ask("GET /nothing HTTP/1.1\r\n" + kHost);
  EXPECT_EQ(nothing.status, 204u);
  EXPECT_FALSE(nothing.header("Content-Length"));
  EXPECT_FALSE(nothing.header("Content-Type"));
  EXPECT_EQ(client.ask("GET /broken HTTP/1.1\r\n" + kHost).status, 500u);
}

TEST_F(ServerTest, HandlersSeeHeadersPeerAndMethod) {
  router_.add(Method::kPut, "/who", [](const Request& request, Responder respond) {
    EXPECT_EQ(request.method(), Method::kPut);
    EXPECT_FALSE(request.local());
    EXPECT_EQ(request.header("X-tHiNg"), "a b");
    EXPECT_EQ(request.header("empty"), "");
    EXPECT_EQ(request.header("missing"), std::nullopt);
    EXPECT_EQ(request.header_count("X-THING"), 2u);
    EXPECT_EQ(request.header_count("empty"), 1u);
    EXPECT_EQ(request.header_count("missing"), 0u);
    EXPECT_EQ(request.peer_address(), "127.0.0.1");
    EXPECT_EQ(request.path_parameter("missing"), "");
    respond(text(std::string(request.peer()) + " " + std::string(request.request_id())));
  });
  start();
  const Answer answer = ask_once(
      "PUT /who HTTP/1.1\r\nx-thing: \t a b \t\r\nx-thing: second\r\nEmpty:\r\nX-Request-Id: 1\r\n" + kHost);
  EXPECT_THAT(answer.body, MatchesRegex("127\\.0\\.0\\.1:[0-9]+ 1"));
}

TEST_F(ServerTest, CountsRequestsByRouteMethodAndCode) {
  start();
  Client client = connect();
  client.ask("GET /items/1/2 HTTP/1.1\r\n" + kHost);
  client.ask("GET /items/3/4 HTTP/1.1\r\n" + kHost);
  client.ask("POST /items/3/4 HTTP/1.1\r\n" + kHost);
  client.ask("GET /a HTTP/1.1\r\n" + kHost);
  client.ask("BREW /b HTTP/1.1\r\n" + kHost);
  client.ask("GET /drop HTTP/1.1\r\n" + kHost);
  // Requests are counted when their answers are gone.
  EXPECT_TRUE(eventually([&] { return has_metric("duration_seconds_count{route=\"/drop\"} 1\n"); }));
  const std::string name = "drover_http_requests_total{";
  const std::string items = "route=\"/items/{id}/{part}\"} ";
  EXPECT_TRUE(has_metric(name + "code=\"200\",method=\"GET\"," + items + "2\n")) << metrics();
  EXPECT_TRUE(has_metric(name + "code=\"405\",method=\"POST\"," + items + "1\n"));
  EXPECT_TRUE(has_metric(name + "code=\"404\",method=\"GET\",route=\"unmatched\"} 1\n"));
  EXPECT_TRUE(has_metric(name + "code=\"404\",method=\"other\",route=\"unmatched\"} 1\n"));
  EXPECT_TRUE(has_metric(name + "code=\"500\",method=\"GET\",route=\"/drop\"} 1\n"));
  EXPECT_TRUE(has_metric("drover_http_request_duration_seconds_count{" + items + "3\n"));
  client.close();
  EXPECT_TRUE(eventually([&] { return has_metric("drover_http_connections 0\n"); }));
}

TEST_F(ServerTest, LogsALineARequestWithoutQueryValues) {
  std::ostringstream lines;
  const auto usual = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  spdlog::set_pattern("%l %v");
  start();
  {
    Client client = connect();
    client.ask("GET /hello?token=secret HTTP/1.1\r\nX-Request-Id: id-1\r\n" + kHost);
    client.ask("GET /drop HTTP/1.1\r\nX-Request-Id: id-2\r\n" + kHost);
    client.ask("GET /a\xff" + std::string(300, 'a') + " HTTP/1.1\r\nX-Request-Id: id-3\r\n" + kHost);
    client.ask("rubbish\r\n\r\n");
  }
  server_->stop(Seconds(5));
  spdlog::set_default_logger(usual);
  EXPECT_THAT(lines.str(),
              testing::ContainsRegex(
                  "info GET /hello 200 [0-9]+B [0-9]+\\.[0-9]{3}ms id-1 127\\.0\\.0\\.1:[0-9]+\n"));
  EXPECT_THAT(lines.str(), HasSubstr("warning GET /drop 500 "));
  EXPECT_THAT(lines.str(), HasSubstr("info GET /a?aaa"));
  EXPECT_THAT(lines.str(), HasSubstr("aaa... 404 "));
  EXPECT_THAT(lines.str(), HasSubstr("info - - 400 "));
  EXPECT_THAT(lines.str(), Not(HasSubstr("secret")));
}

TEST_F(ServerTest, SpreadsConnectionsOverThreads) {
  options_.threads = 3;
  std::mutex mutex;
  std::vector<std::thread::id> seen;
  router_.add(Method::kGet, "/thread", [&](const Request&, Responder respond) {
    {
      const std::lock_guard lock(mutex);
      seen.push_back(std::this_thread::get_id());
    }
    respond(text(""));
  });
  start();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(ask_once("GET /thread HTTP/1.1\r\n" + kHost).status, 200u);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::unique(seen.begin(), seen.end()) - seen.begin(), 3);
}

TEST_F(ServerTest, ListensOnIpv6) {
  options_.address = "::1";
  if (auto server = Server::start(clock_, options_, router_, registry_); server) {
    EXPECT_NE((*server)->port(), 0);
  } else {
    EXPECT_EQ(server.error().code, Errc::kListen);  // a machine without IPv6
  }
}

TEST_F(ServerTest, StartSaysWhatIsWrong) {
  start();
  const auto code_of = [&](auto change) {
    ServerOptions options;
    options.port = 0;
    change(options);
    const auto server = Server::start(clock_, options, router_, registry_);
    return server ? std::error_code() : server.error().code;
  };
  EXPECT_EQ(code_of([](ServerOptions& o) { o.address = "localhost"; }), Errc::kBadAddress);
  EXPECT_EQ(code_of([&](ServerOptions& o) { o.port = server_->port(); }), Errc::kListen);
  EXPECT_EQ(code_of([](ServerOptions& o) { o.threads = 0; }), Errc::kBadOption);
  EXPECT_EQ(code_of([](ServerOptions& o) { o.max_header = 10; }), Errc::kBadOption);
  EXPECT_EQ(code_of([](ServerOptions& o) { o.max_connections = 0; }), Errc::kBadOption);
  EXPECT_EQ(code_of([](ServerOptions& o) { o.idle_timeout = Millis(0); }), Errc::kBadOption);
  EXPECT_EQ(code_of([](ServerOptions& o) { o.unix_socket = std::string(200, 'x'); }), Errc::kSocketPath);
}

}  // namespace
}  // namespace drover::http
