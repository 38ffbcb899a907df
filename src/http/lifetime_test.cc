// Answers that come late, clients that leave, servers that stop, and the Unix socket.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <atomic>
#include <future>

#include "http/errc.h"
#include "http/testing/server_fixture.h"

namespace drover::http {
namespace {

const std::string kHost = "Host: x\r\n\r\n";
const std::string kHello = "GET /hello HTTP/1.1\r\n" + kHost;
const std::string kLater = "GET /later HTTP/1.1\r\n" + kHost;

class LifetimeTest : public ServerTest {
 protected:
  std::string socket_path() const {
    return testing::TempDir() + "drover_http_" + std::to_string(::getpid()) + ".sock";
  }
};

TEST_F(LifetimeTest, AnotherThreadAnswers) {
  options_.threads = 2;
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(connect());
    clients.back().send(kLater + kHello);
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 25; ++i) held_.take()(text("later"));
    });
  }
  for (Client& client : clients) {
    EXPECT_EQ(client.read().body, "later");
    EXPECT_EQ(client.read().body, "hello");
  }
  for (auto& thread : threads) thread.join();
}

TEST_F(LifetimeTest, OnlyTheFirstAnswerCounts) {
  start();
  Client client = connect();
  client.send(kLater);
  const Responder respond = held_.take();
  const Responder copy = respond;
  respond(text("one"));
  copy(text("two"));
  respond(text("three"));
  EXPECT_EQ(client.read().body, "one");
  EXPECT_EQ(client.ask(kHello).body, "hello");
}

TEST_F(LifetimeTest, RequestStaysReadableUntilItIsAnswered) {
  std::promise<const Request*> seen;
  router_.add(Method::kPost, "/keep/{name}", [&](const Request& request, Responder respond) {
    held_.put(std::move(respond));
    seen.set_value(&request);
  });
  start();
  Client client = connect();
  client.send("POST /keep/n%61me?q=%31 HTTP/1.1\r\nContent-Length: 4\r\nX-A: b\r\n" + kHost + "body");
  const Request* request = seen.get_future().get();
  const Responder respond = held_.take();
  client.reset();
  EXPECT_TRUE(eventually([&] { return respond.abandoned(); }));
  server_.reset();  // not even the server's end takes it away
  EXPECT_EQ(request->body(), "body");
  EXPECT_EQ(request->path_parameter("name"), "name");
  EXPECT_EQ(request->query("q"), "1");
  EXPECT_EQ(request->header("x-a"), "b");
  respond(text("nobody hears this"));
}

TEST_F(LifetimeTest, NoAnswerIs500) {
  start();
  Client client = connect();
  EXPECT_EQ(client.ask("GET /drop HTTP/1.1\r\n" + kHost).status, 500u);
  client.send(kLater);
  { const Responder dropped = held_.take(); }
  const Answer answer = client.read();
  EXPECT_EQ(answer.status, 500u);
  EXPECT_THAT(answer.body, testing::HasSubstr("KOOPHONE.API.9999"));
  EXPECT_EQ(client.ask(kHello).body, "hello");
}

TEST_F(LifetimeTest, FilterRunsInsteadOfTheFirstAnswerOnly) {
  std::atomic<int> runs{0};
  router_.add(Method::kGet, "/filtered", [&](const Request&, Responder respond) {
    respond.intercept([&runs, caller = std::this_thread::get_id()](Response response, Responder next) {
      ++runs;
      EXPECT_EQ(std::this_thread::get_id(), caller);
      response.body += ", seen";
      next(std::move(response));
      next(text("again"));
    });
    const Responder copy = respond;
    respond(text("one"));
    copy(text("two"));
  });
  start();
  Client client = connect();
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(client.ask("GET /filtered HTTP/1.1\r\n" + kHost).body, "one, seen");
    EXPECT_EQ(runs, i);
  }
}

TEST_F(LifetimeTest, NothingLeavesBeforeTheFilterLetsIt) {
  std::promise<const Request*> seen;
  Held passed;
  std::atomic<bool> kept{true};
  router_.add(Method::kGet, "/filtered/{name}", [&](const Request& request, Responder respond) {
    respond.intercept([&](Response response, Responder next) {
      EXPECT_EQ(response.body, "answer");
      passed.put(std::move(next));
    });
    respond.hold(std::shared_ptr<const void>(&kept, [&](const void*) { kept = false; }));
    held_.put(std::move(respond));
    seen.set_value(&request);
  });
  start();
  Client client = connect();
  client.send("GET /filtered/a HTTP/1.1\r\n" + kHost + kHello);
  const Request* request = seen.get_future().get();
  { held_.take()(text("answer")); }  // no copy of the outer one is left
  const Responder next = passed.take();
  EXPECT_EQ(ask_once(kHello).body, "hello");  // the thread has had time to answer
  EXPECT_FALSE(client.readable());
  EXPECT_TRUE(kept);
  EXPECT_EQ(request->path_parameter("name"), "a");
  std::thread([&] { next(text("let through")); }).join();
  EXPECT_FALSE(kept);
  EXPECT_EQ(client.read().body, "let through");
  EXPECT_EQ(client.read().body, "hello");
}

TEST_F(LifetimeTest, FilteredRequestThatNobodyAnswersIs500) {
  std::atomic<bool> ran{false};
  router_.add(Method::kGet, "/silent/{who}", [&](const Request& request, Responder respond) {
    const bool call = request.path_parameter("who") == "filter";
    respond.intercept([&](Response, Responder) { ran = true; });
    if (call) respond(text("lost"));
  });
  start();
  Client client = connect();
  EXPECT_EQ(client.ask("GET /silent/handler HTTP/1.1\r\n" + kHost).status, 500u);
  EXPECT_FALSE(ran);
  EXPECT_EQ(client.ask("GET /silent/filter HTTP/1.1\r\n" + kHost).status, 500u);
  EXPECT_TRUE(ran);
  EXPECT_EQ(client.ask(kHello).body, "hello");
}

TEST_F(LifetimeTest, FilterMayEndAfterTheServer) {
  Held passed;
  router_.add(Method::kGet, "/filtered", [&](const Request&, Responder respond) {
    respond.intercept([&](Response, Responder next) { passed.put(std::move(next)); });
    respond(text("answer"));
  });
  start();
  Client client = connect();
  client.send("GET /filtered HTTP/1.1\r\n" + kHost);
  const Responder next = passed.take();
  server_.reset();
  EXPECT_TRUE(next.abandoned());
  next(text("nobody hears this"));
  EXPECT_TRUE(client.ended());
}

TEST_F(LifetimeTest, HandlerThatThrowsIs500) {
  router_.add(Method::kGet, "/throw", [](const Request&, Responder) { throw std::runtime_error("secret"); });
  start();
  Client client = connect();
  EXPECT_EQ(client.ask("GET /throw HTTP/1.1\r\n" + kHost).status, 500u);
  EXPECT_EQ(client.ask(kHello).body, "hello");
}

TEST_F(LifetimeTest, ClientThatLeavesIsNoticed) {
  start();
  Client client = connect();
  client.send(kLater);
  const Responder respond = held_.take();
  EXPECT_FALSE(respond.abandoned());
  client.reset();
  EXPECT_TRUE(eventually([&] { return respond.abandoned(); }));
  respond(text("nobody hears this"));
  EXPECT_EQ(ask_once(kHello).body, "hello");
  EXPECT_TRUE(has_metric("code=\"499\",method=\"GET\",route=\"/later\"} 1\n"));
}

TEST_F(LifetimeTest, HandlersMayAnswerOthersRequests) {
  // Each request answers the one before it: the chain must not nest.
  Held before;
  router_.add(Method::kGet, "/chain",
              [&](const Request&, Responder respond) { before.put(std::move(respond)); });
  router_.add(Method::kGet, "/release", [&](const Request&, Responder respond) {
    before.take()(text("released"));
    respond(text("done"));
  });
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(connect());
    clients.back().send("GET /chain HTTP/1.1\r\n" + kHost +
                        (i < 49 ? "GET /release HTTP/1.1\r\n" + kHost : ""));
  }
  before.wait_for(clients.size());
  // Every client's /release runs when its /chain has been answered; this starts the first.
  Client last = connect();
  EXPECT_EQ(last.ask("GET /release HTTP/1.1\r\n" + kHost).body, "done");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(clients[static_cast<std::size_t>(i)].read().body, "released");
}

TEST_F(LifetimeTest, StopAnswersWhatIsUnderWay) {
  options_.threads = 2;
  start();
  Client waiting = connect();
  waiting.send(kLater);
  const Responder respond = held_.take();
  Client idle = connect();
  EXPECT_EQ(idle.ask(kHello).body, "hello");
  const std::uint16_t port = server_->port();

  std::atomic<bool> stopped{false};
  std::thread stopper([&] {
    server_->stop(Seconds(20));
    stopped = true;
  });
  EXPECT_TRUE(idle.ended());  // nothing of it was under way
  EXPECT_FALSE(Client::tcp(port).connected());
  EXPECT_FALSE(stopped);
  respond(text("just in time"));
  const Answer answer = waiting.read();
  EXPECT_EQ(answer.body, "just in time");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(waiting.ended());
  stopper.join();
  server_->stop(Seconds(20));  // again: nothing to do
  EXPECT_TRUE(has_metric("drover_http_connections 0\n"));
}

TEST_F(LifetimeTest, StopLetsARequestThatIsComingInFinish) {
  start();
  Client client = connect();
  Client idle = connect();
  EXPECT_EQ(client.ask(kHello).body, "hello");
  EXPECT_EQ(idle.ask(kHello).body, "hello");
  client.send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n" + kHost);
  EXPECT_EQ(client.read().status, 100u);
  std::thread stopper([&] { server_->stop(Seconds(20)); });
  EXPECT_TRUE(idle.ended());
  client.send("body");
  EXPECT_EQ(client.read().body, "body");
  stopper.join();
}

TEST_F(LifetimeTest, StopWaitsNoLongerThanItsPatience) {
  start();
  Client waiting = connect();
  waiting.send(kLater);
  const Responder respond = held_.take();
  const auto begin = std::chrono::steady_clock::now();
  server_->stop(Millis(50));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, Millis(50));
  EXPECT_TRUE(waiting.ended());
  EXPECT_TRUE(respond.abandoned());
  server_.reset();
  respond(text("nobody hears this"));
}

TEST_F(LifetimeTest, StopWhileAnswersPourIn) {
  options_.threads = 2;
  start();
  std::vector<Client> clients;
  std::vector<Responder> responders;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(connect());
    clients.back().send(kLater);
    responders.push_back(held_.take());
  }
  std::thread answering([&] {
    for (const Responder& respond : responders) respond(text("now"));
    responders.clear();
  });
  server_->stop(Millis(0));
  server_.reset();
  answering.join();
  for (Client& client : clients) {
    const std::string all = client.read_all();
    EXPECT_TRUE(all.empty() || all.ends_with("now")) << all;
  }
}

TEST_F(LifetimeTest, UnixSocketIsForItsOwnerOnly) {
  const std::string path = options_.unix_socket = socket_path();
  router_.add(Method::kGet, "/who", [](const Request& request, Responder respond) {
    EXPECT_EQ(request.peer_address(), "local");
    respond(text(std::string(request.peer()) + (request.local() ? " yes" : " no")));
  });
  start();
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  Client client = Client::local(path);
  EXPECT_EQ(client.ask("GET /who HTTP/1.1\r\n" + kHost).body, "local yes");
  EXPECT_EQ(client.ask("GET /huge HTTP/1.1\r\n" + kHost).body.size(), kBigBody);
  client.send(kLater);
  const Responder respond = held_.take();
  client.close();
  EXPECT_TRUE(eventually([&] { return respond.abandoned(); }));

  auto second = Server::start(clock_, options_, router_, registry_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kSocketInUse);
  EXPECT_EQ(Client::local(path).ask(kHello).body, "hello");  // the first is not disturbed

  server_->stop(Seconds(5));
  EXPECT_NE(::stat(path.c_str(), &status), 0);
}

TEST_F(LifetimeTest, UnixSocketStaysOpenWhenTcpIsFull) {
  options_.unix_socket = socket_path();
  options_.max_connections = 1;
  start();
  Client first = connect();
  EXPECT_EQ(first.ask(kHello).status, 200u);
  EXPECT_EQ(ask_once(kHello).status, 503u);
  Client local = Client::local(options_.unix_socket);
  local.send(kHello);
  local.half_close();
  EXPECT_EQ(local.read().body, "hello");
  EXPECT_TRUE(local.ended());
}

TEST_F(LifetimeTest, UnixSocketThatNobodyAnswersIsReplaced) {
  const std::string path = options_.unix_socket = socket_path();
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strncpy(at.sun_path, path.c_str(), sizeof(at.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  ::close(fd);  // as after a crash: the file stays
  start();
  EXPECT_EQ(Client::local(path).ask(kHello).body, "hello");
}

TEST_F(LifetimeTest, WhoConnectsBeforeItServesWaits) {
  options_.unix_socket = socket_path();
  server_ = Server::listen(clock_, options_, router_, registry_).value();
  Client tcp = Client::tcp(server_->port());
  EXPECT_TRUE(tcp.connected());
  Client local = Client::local(options_.unix_socket);
  local.send(kHello);
  std::this_thread::sleep_for(Millis(50));
  EXPECT_FALSE(local.readable());
  server_->serve();
  EXPECT_EQ(local.read().body, "hello");
  if (!options_.tls.certificate.empty()) tcp.secure(tls_);
  EXPECT_EQ(tcp.ask(kHello).body, "hello");
}

TEST_F(LifetimeTest, WhoWaitsForOneThatNeverServesIsLetGo) {
  options_.unix_socket = socket_path();
  server_ = Server::listen(clock_, options_, router_, registry_).value();
  Client client = Client::tcp(server_->port());
  client.send(kHello);
  server_.reset();
  EXPECT_TRUE(client.ended());
  struct stat status {};
  EXPECT_NE(::stat(options_.unix_socket.c_str(), &status), 0);
}

TEST_F(LifetimeTest, UnixSocketDoesNotReplaceAFile) {
  const std::string path = options_.unix_socket = socket_path();
  std::fclose(std::fopen(path.c_str(), "w"));
  auto server = Server::start(clock_, options_, router_, registry_);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, Errc::kSocketPath);
  EXPECT_EQ(::unlink(path.c_str()), 0);
}

}  // namespace
}  // namespace drover::http
