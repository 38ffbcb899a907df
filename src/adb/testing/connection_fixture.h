// For tests: a connection to a ScriptedDevice.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adb/connection.h"
#include "adb/errc.h"
#include "adb/testing/scripted_device.h"
#include "base/loop.h"

namespace drover::adb {

class ConnectionFixture : public testing::Test, private ConnectionEvents {
 protected:
  ConnectionOptions options(std::uint16_t port, const std::vector<std::string>& keys = {}) {
    ConnectionOptions result;
    result.host = "127.0.0.1";
    result.port = port;
    result.keys = fake_keys(keys);
    return result;
  }

  void begin(ConnectionOptions with) {
    connection = connect(loop, std::move(with), static_cast<ConnectionEvents&>(*this));
    EXPECT_FALSE(connection->online());
  }

  template <typename Done>
  bool run_until(Done done) {
    const auto limit = std::chrono::steady_clock::now() + Seconds(10);
    while (!done() && std::chrono::steady_clock::now() < limit) loop.context().run_one_for(Millis(100));
    EXPECT_TRUE(done()) << "waited in vain";
    return done();
  }

  bool go_online(const ScriptedDevice& device) {
    begin(options(device.port()));
    return run_until([&] { return banner || closed; }) && banner;
  }

  bool wait_closed() {
    return run_until([&] { return closed.has_value(); });
  }

  // The reason for which a connection with these options ends.
  Errc end_of(ConnectionOptions with) {
    begin(std::move(with));
    if (!wait_closed()) return Errc{};
    EXPECT_FALSE(closed->message.empty());
    return static_cast<Errc>(closed->code.value());
  }

  std::unique_ptr<Shell> shell(Notes& notes, std::string_view command = "true") {
    return connection->shell(command, notes);
  }

  bool wait_end(const Notes& notes) {
    return run_until([&] { return notes.end.has_value(); });
  }

  void on_online(const Banner& b) override {
    EXPECT_FALSE(banner) << "told twice";
    banner = b;
    EXPECT_TRUE(connection->online());
    if (during_online) during_online();
  }
  void on_closed(const Error& why) override {
    EXPECT_FALSE(closed) << "told twice";
    closed = why;
    if (connection) {
      EXPECT_FALSE(connection->online());
    }
    if (during_closed) during_closed();
  }

  Clock clock;
  Loop loop{clock};
  std::unique_ptr<Connection> connection;
  std::optional<Banner> banner;
  std::optional<Error> closed;
  std::function<void()> during_online, during_closed;
};

}  // namespace drover::adb
