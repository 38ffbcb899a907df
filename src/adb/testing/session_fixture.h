// For tests: a session without a connection. The test plays the phone.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "adb/errc.h"
#include "adb/host_session.h"
#include "adb/shell_stream.h"
#include "adb/testing/support.h"

namespace drover::adb {

class ManualClock final : public Clock {
 public:
  SteadyTime steady() const override { return now; }
  SteadyTime now{std::chrono::hours(1)};
};

struct SentPacket {
  Header header;
  std::string payload;
};

inline constexpr std::uint32_t kPhoneLimit = 1024 * 1024;

class SessionFixture : public testing::Test, private SessionDriver {
 protected:
  void make_session(const std::vector<std::string>& keys = {}) {
    session.emplace(clock, fake_keys(keys), 256 * 1024, Millis(10'000), static_cast<SessionDriver&>(*this));
    session->start();
  }

  void go_online(std::string_view banner = kModernBanner, std::uint32_t version = kVersionSkipChecksum) {
    make_session();
    take();
    phone(kCnxn, version, kPhoneLimit, banner);
    ASSERT_TRUE(session->online());
  }

  std::string packet(Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload = {}) {
    std::string bytes;
    append_packet(bytes, command, arg0, arg1, payload, true);
    return bytes;
  }

  // The phone sends a packet. What becomes of it is also left in `received`.
  void phone(Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload = {}) {
    received = session->receive(packet(command, arg0, arg1, payload));
  }

  // What we have sent since the last time.
  std::vector<SentPacket> take() {
    std::vector<SentPacket> packets;
    PacketReader reader(kPhoneLimit);
    const Result<> fed = reader.feed(session->output(), [&](const Header& header, std::string_view payload) {
      packets.push_back({header, std::string(payload)});
      return true;
    });
    EXPECT_TRUE(fed);
    session->sent(session->output().size());
    return packets;
  }

  // Those have to be these.
  void expect_sent(const std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>>& wanted) {
    std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> sent;
    for (const SentPacket& p : take()) sent.emplace_back(p.header.command, p.header.arg0, p.header.arg1);
    EXPECT_EQ(sent, wanted);
  }

  // Starts a shell whose stream the phone knows as `remote`.
  std::unique_ptr<Shell> open_shell(Notes& notes, std::uint32_t remote) {
    auto shell = start_shell(*session, "true", notes);
    const std::vector<SentPacket> sent = take();
    EXPECT_EQ(sent.back().header.command, kOpen);
    local = sent.back().header.arg0;
    opened = sent.back().payload;
    phone(kOkay, remote, local);
    return shell;
  }

  Errc error() const {
    EXPECT_FALSE(received);
    return received ? Errc{} : static_cast<Errc>(received.error().code.value());
  }

  void on_online(const Banner& b) override { banners.push_back(b); }
  void on_output() override { ++outputs; }
  void on_deadline_set(SteadyTime at) override { wake = std::min(wake, at); }

  ManualClock clock;
  std::optional<HostSession> session;
  std::vector<Banner> banners;
  int outputs = 0;
  SteadyTime wake = SteadyTime::max();
  Result<> received;
  std::uint32_t local = 0;
  std::string opened;
};

}  // namespace drover::adb
