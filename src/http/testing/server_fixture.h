// For tests: a server with routes of every kind. With DROVER_TEST_TLS in the environment it speaks TLS, and
// so do the clients.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/testing/stoppable_clock.h"
#include "http/server.h"
#include "http/testing/certificates.h"
#include "http/testing/client.h"

namespace drover::http {

// Responders that a handler put aside.
class Held {
 public:
  void put(Responder responder) {
    const std::lock_guard lock(mutex_);
    held_.push_back(std::move(responder));
    some_.notify_all();
  }
  Responder take() {
    std::unique_lock lock(mutex_);
    wait(lock, 1);
    Responder responder = std::move(held_.front());
    held_.erase(held_.begin());
    return responder;
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    wait(lock, count);
  }

 private:
  // Throws where in vain, which fails the test: there is nothing to go on with.
  void wait(std::unique_lock<std::mutex>& lock, std::size_t count) {
    if (!some_.wait_for(lock, std::chrono::seconds(10), [&] { return held_.size() >= count; }))
      throw std::runtime_error("no handler has put a responder aside");
  }

  std::mutex mutex_;
  std::condition_variable some_;
  std::vector<Responder> held_;
};

inline Response text(std::string body, unsigned status = 200) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

// True as soon as `condition` is, false if it is not within ten seconds.
template <typename Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

class ServerTest : public testing::Test {
 protected:
  static constexpr std::size_t kBigBody = 64 * 1024 * 1024;

  ServerTest() {
    options_.port = 0;
    if (std::getenv("DROVER_TEST_TLS") != nullptr) use_tls();
    router_.add(Method::kGet, "/busy", [](const Request&, Responder respond) {
      Response response = text("busy");
      response.status = 503;
      respond(std::move(response));
    });
    router_.add(Method::kGet, "/hello", [](const Request&, Responder respond) { respond(text("hello")); });
    router_.add(Method::kGet, "/items/{id}/{part}", [](const Request& request, Responder respond) {
      respond(text(std::string(request.path_parameter("id")) + "|" +
                   std::string(request.path_parameter("part")) + "|" +
                   std::string(request.query("q").value_or("none"))));
    });
    router_.add(Method::kPost, "/echo", [](const Request& request, Responder respond) {
      respond(text(std::string(request.body())));
    });
    router_.add(Method::kPost, "/big",
                [](const Request& request, Responder respond) { respond(text(std::string(request.body()))); },
                {.max_body = 16 * 1024 * 1024});
    router_.add(Method::kPost, "/small",
                [](const Request& request, Responder respond) { respond(text(std::string(request.body()))); },
                {.max_body = 10});
    router_.add(Method::kGet, "/later",
                [this](const Request&, Responder respond) { held_.put(std::move(respond)); });
    router_.add(Method::kGet, "/drop", [](const Request&, Responder) {});
    router_.add(Method::kGet, "/huge", [](const Request&, Responder respond) {
      Response response;
      response.shared_body = huge_body();
      respond(std::move(response));
    });
  }

  static std::shared_ptr<const std::string> huge_body() {
    static const auto body = std::make_shared<const std::string>(kBigBody, 'x');
    return body;
  }

  void use_tls() {
    std::signal(SIGPIPE, SIG_IGN);  // the clients' OpenSSL does not avoid it
    certificates_ = std::make_unique<CertificateFolder>();
    certificate_.write(certificates_->files());
    options_.tls = certificates_->files();
  }

  void start() {
    auto server = Server::start(clock_, options_, router_, registry_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }
  Client connect() {
    Client client = Client::tcp(server_->port());
    if (!options_.tls.certificate.empty()) client.secure(tls_);
    return client;
  }
  Answer ask_once(std::string_view bytes) { return connect().ask(bytes); }

  std::string metrics() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }
  bool has_metric(const std::string& line) const { return metrics().find(line) != std::string::npos; }

  StoppableClock clock_;
  ServerOptions options_;
  Router router_;
  prometheus::Registry registry_;
  Held held_;
  const TestCertificate certificate_{"server"};
  std::unique_ptr<CertificateFolder> certificates_;
  TlsClient tls_;
  std::unique_ptr<Server> server_;
};

}  // namespace drover::http
