#include "sim/simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <map>
#include <random>
#include <set>

#include "sim/listener.h"
#include "sim/test_fleet.h"
#include "sim/test_host.h"
#include "sim/test_key.h"

namespace drover::sim {
namespace {

using testing::HasSubstr;

TEST(Simulator, PhonesHaveAddressesInTurn) {
  TestFleet fleet(300);
  ASSERT_TRUE(fleet.ok()) << fleet.error().message;
  const std::string port = ":" + std::to_string(fleet.port());
  EXPECT_EQ(fleet.address(0), "127.1.0.1" + port);
  EXPECT_EQ(fleet.address(254), "127.1.0.255" + port);
  EXPECT_EQ(fleet.address(255), "127.1.1.0" + port);
  for (const std::size_t phone : {0U, 255U, 299U}) {
    TestHost host(fleet.address(phone));
    ASSERT_TRUE(host.handshake());
    EXPECT_EQ(host.shell("getprop ro.serialno").out,
              "SIM" + std::string(8 - std::to_string(phone).size(), '0') + std::to_string(phone) + "\n");
  }
  TestHost nobody("127.1.1.45" + port);
  EXPECT_FALSE(nobody.handshake());
}

TEST(Simulator, SaysWhatItIs) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  EXPECT_THAT(host.banner(), testing::StartsWith("device::ro.product.name=drover_sim;ro.product.model="));
  EXPECT_THAT(host.banner(), HasSubstr("features=shell_v2"));
  EXPECT_EQ(host.phone_version(), 0x01000001U);
  EXPECT_EQ(host.phone_payload(), 1024U * 1024);
}

TEST(Simulator, OutputErrorsAndExitCodeApart) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  const ShellResult result = host.shell("echo out; nope; exit 7");
  EXPECT_EQ(result.out, "out\n");
  EXPECT_THAT(result.err, HasSubstr("nope: inaccessible or not found"));
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_TRUE(result.closed);
}

TEST(Simulator, AQuickCommandIsAnsweredInTwoPackets) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  const std::uint32_t id = host.open("shell,v2,raw:echo hi");
  const auto okay = host.receive();
  ASSERT_TRUE(okay);
  EXPECT_EQ(okay->header.command, adb::kOkay);
  EXPECT_EQ(okay->header.arg1, id);
  EXPECT_NE(okay->header.arg0, 0U);
  const auto write = host.receive();
  ASSERT_TRUE(write);
  EXPECT_EQ(write->header.command, adb::kWrte);
  ShellResult result;
  TestHost::cut(write->payload, result);
  EXPECT_EQ(result.out, "hi\n");
  EXPECT_EQ(result.exit_code, 0);
  // No CLSE before the WRTE is acknowledged.
  host.set_patience(50);
  EXPECT_FALSE(host.receive());
  EXPECT_FALSE(host.ended());
  host.set_patience(5000);
  host.send(adb::kOkay, id, okay->header.arg0);
  const auto close = host.receive();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->header.command, adb::kClse);
}

TEST(Simulator, OneWriteInFlightOnly) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  host.open("shell,v2,raw:gen 1000000");
  ASSERT_EQ(host.receive()->header.command, adb::kOkay);
  const auto first = host.receive();
  ASSERT_EQ(first->header.command, adb::kWrte);
  host.set_patience(50);
  EXPECT_FALSE(host.receive());
  host.set_patience(5000);
  host.send(adb::kOkay, first->header.arg1, first->header.arg0);
  ShellResult result = host.finish();
  EXPECT_TRUE(result.closed);
  std::string bytes = first->payload;
  TestHost::cut(bytes, result);
  EXPECT_GT(result.out.size(), 900'000U);
}

TEST(Simulator, ManyStreamsAtATime) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  constexpr int kStreams = 200;
  for (int i = 0; i < kStreams; ++i) host.open("shell,v2,raw:echo $$; sleep 0.02");
  int closed = 0;
  std::map<std::uint32_t, std::string> bytes;
  while (closed < kStreams) {
    const auto packet = host.receive();
    ASSERT_TRUE(packet);
    if (packet->header.command == adb::kClse) ++closed;
    if (packet->header.command != adb::kWrte) continue;
    bytes[packet->header.arg1] += packet->payload;
    host.send(adb::kOkay, packet->header.arg1, packet->header.arg0);
  }
  std::set<std::string> pids;
  for (const auto& [id, stream] : bytes) {
    ShellResult result;
    TestHost::cut(stream, result);
    EXPECT_EQ(result.exit_code, 0);
    pids.insert(result.out);
  }
  EXPECT_EQ(pids.size(), static_cast<std::size_t>(kStreams));
}

TEST(Simulator, AHostMayKillWhatAnotherBegan) {
  TestFleet fleet(1);
  TestHost one(fleet.address(0));
  TestHost two(fleet.address(0));
  ASSERT_TRUE(one.handshake());
  ASSERT_TRUE(two.handshake());
  one.open("shell,v2,raw:exec </dev/null;echo drover:$$;sleep 100");
  ASSERT_EQ(one.receive()->header.command, adb::kOkay);
  const auto write = one.receive();
  ASSERT_TRUE(write);
  one.send(adb::kOkay, write->header.arg1, write->header.arg0);
  ShellResult begun;
  TestHost::cut(write->payload, begun);
  const std::string pid = begun.out.substr(begun.out.find(':') + 1);
  EXPECT_EQ(two.shell("kill -TERM -" + pid).exit_code, 0);
  const ShellResult killed = one.finish();
  EXPECT_TRUE(killed.closed);
  EXPECT_EQ(killed.exit_code, 128 | SIGTERM);
}

TEST(Simulator, StandardInputReachesTheCommand) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  const std::uint32_t id = host.open("shell,v2,raw:cat");
  const auto okay = host.receive();
  ASSERT_EQ(okay->header.command, adb::kOkay);
  // One shell packet in two WRTE, then the end of input.
  using std::string_literals::operator""s;
  for (const std::string& part : {"\0\4\0\0\0ab"s, "cd"s, "\4\0\0\0\0"s}) {
    host.send(adb::kWrte, id, okay->header.arg0, part);
  }
  EXPECT_EQ(host.finish().out, "abcd");
}

TEST(Simulator, ClosingAStreamEndsItsCommand) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  const std::uint32_t id = host.open("shell,v2,raw:sleep 100");
  const auto okay = host.receive();
  EXPECT_EQ(fleet.stats().running, 1U);
  host.send(adb::kClse, id, okay->header.arg0);
  const auto close = host.receive();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->header.command, adb::kClse);
  const SimStats stats = fleet.stats();
  EXPECT_EQ(stats.running, 0U);
  EXPECT_EQ(stats.streams, 0U);
}

TEST(Simulator, LosingAHostEndsItsCommands) {
  TestFleet fleet(1);
  {
    TestHost host(fleet.address(0));
    ASSERT_TRUE(host.handshake());
    host.open("shell,v2,raw:sleep 100");
    ASSERT_TRUE(host.receive());
  }
  EXPECT_TRUE(fleet.reaches(
      [](const SimStats& s) { return s.connections == 0 && s.running == 0 && s.streams == 0; }));
}

TEST(Simulator, RefusesWhatAdbdRefuses) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  const auto refused = [&](std::string_view service, std::uint32_t arg1) {
    host.send(adb::kOpen, 9, arg1, service);
    const auto answer = host.receive();
    return answer && answer->header.command == adb::kClse && answer->header.arg0 == 0 &&
           answer->header.arg1 == 9;
  };
  EXPECT_TRUE(refused("sync:", 0));
  EXPECT_TRUE(refused("shell,v2,raw:echo", 1));  // a window, without delayed_ack
  // An OKAY for a stream that is not there.
  host.send(adb::kOkay, 5, 77);
  const auto answer = host.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.command, adb::kClse);
  EXPECT_EQ(answer->header.arg0, 77U);
  EXPECT_EQ(answer->header.arg1, 5U);
}

TEST(Simulator, NothingOpensBeforeTheHandshake) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  host.open("shell,v2,raw:echo");
  ASSERT_TRUE(host.handshake());
  EXPECT_EQ(fleet.stats().commands, 0U);
}

TEST(Simulator, DropsWhoBreaksTheProtocol) {
  TestFleet fleet(1);
  {
    TestHost host(fleet.address(0));
    host.send_raw("GET / HTTP/1.1\r\nHost: phone\r\n\r\n");
    EXPECT_FALSE(host.receive());
    EXPECT_TRUE(host.ended());
  }
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  const adb::Header huge{.command = adb::kWrte,
                         .arg0 = 1,
                         .arg1 = 1,
                         .length = 0x10000000,
                         .check = 0,
                         .magic = ~std::uint32_t{adb::kWrte}};
  host.send_raw({reinterpret_cast<const char*>(&huge), sizeof huge});
  EXPECT_FALSE(host.receive());
  EXPECT_TRUE(host.ended());
}

TEST(Simulator, NoSequenceOfPacketsBreaksIt) {
  TestFleet fleet(2);
  std::mt19937 random(1);
  static constexpr std::array kCommands = {adb::kCnxn, adb::kAuth, adb::kOpen, adb::kOkay,
                                           adb::kClse, adb::kWrte, adb::kStls};
  static constexpr std::array kPayloads = {
      "",     "shell,v2,raw:gen 100000", "shell:cat", "shell,v2,raw:cat", "exec:sleep 9", "host::features=",
      "sync:"};
  for (int round = 0; round < 50; ++round) {
    TestHost host(fleet.address(0));
    ASSERT_TRUE(host.handshake());
    for (int i = 0; i < 100; ++i) {
      // Streams are numbered upward from 1024, so that some of these exist.
      const auto id =
          static_cast<std::uint32_t>(random() % 2 == 0 ? 1024 * (1 + random() % 8) : random() % 4);
      host.send(kCommands[random() % kCommands.size()], static_cast<std::uint32_t>(random() % 4), id,
                kPayloads[random() % kPayloads.size()]);
    }
  }
  TestHost other(fleet.address(1));
  ASSERT_TRUE(other.handshake());
  EXPECT_EQ(other.shell("echo well").out, "well\n");
  EXPECT_TRUE(fleet.reaches(
      [](const SimStats& s) { return s.connections == 1 && s.streams == 0 && s.running == 0; }));
}

TEST(Simulator, OnlyAnOldHostGetsChecksums) {
  TestFleet fleet(1);
  TestHost old(fleet.address(0), adb::kVersionMin);
  const auto answer = old.greet();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.check, adb::checksum(answer->payload));
  // Nor does a new phone look at any: adb sends none in the CNXN of a reconnect.
  TestHost host(fleet.address(0));
  std::string packet;
  adb::append_packet(packet, adb::kCnxn, adb::kVersionSkipChecksum, 1024 * 1024, "host::", false);
  host.send_raw(packet);
  const auto without = host.receive();
  ASSERT_TRUE(without);
  EXPECT_EQ(without->header.command, adb::kCnxn);
  EXPECT_EQ(without->header.check, 0U);
}

TEST(Simulator, ASecondGreetingBeginsAnew) {
  TestFleet fleet(1);
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  host.open("shell,v2,raw:sleep 100");
  ASSERT_TRUE(host.receive());
  ASSERT_TRUE(host.handshake());
  EXPECT_EQ(fleet.stats().running, 0U);
  EXPECT_EQ(host.shell("echo again").out, "again\n");
}

TEST(Simulator, ALegacyPhoneHasChecksumsSmallPacketsAndATerminal) {
  TestFleet fleet(1);
  fleet.set_fault(0, "legacy");
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  EXPECT_EQ(host.phone_version(), 0x01000000U);
  EXPECT_EQ(host.phone_payload(), 4096U);
  EXPECT_THAT(host.banner(), testing::Not(HasSubstr("shell_v2")));
  host.open("shell:echo a; nope; gen 10000");
  std::string bytes;
  while (const auto packet = host.receive()) {
    EXPECT_EQ(packet->header.check, adb::checksum(packet->payload));
    EXPECT_LE(packet->payload.size(), 4096U);
    if (packet->header.command == adb::kClse) break;
    if (packet->header.command != adb::kWrte) continue;
    bytes += packet->payload;
    host.send(adb::kOkay, packet->header.arg1, packet->header.arg0);
  }
  EXPECT_THAT(bytes, testing::StartsWith("a\r\n/system/bin/sh: nope: inaccessible or not found\r\n0123"));
  EXPECT_GT(bytes.size(), 10'000U);
  // A wrong checksum is the end.
  std::string packet;
  adb::append_packet(packet, adb::kOpen, 99, 0, std::string_view("shell:echo\0", 11), false);
  host.send_raw(packet);
  EXPECT_FALSE(host.receive());
  EXPECT_TRUE(host.ended());
}

TEST(Simulator, OnlyAcceptedKeysGetIn) {
  const TestFolder folder;
  const TestKey key;
  const TestKey stranger;
  std::ofstream(folder.file("keys")) << key.line();
  TestFleet fleet(SimOptions{.phones = 1, .auth_keys = folder.file("keys")});
  ASSERT_TRUE(fleet.ok()) << fleet.error().message;
  TestHost host(fleet.address(0));
  auto token = host.greet();
  ASSERT_TRUE(token);
  ASSERT_EQ(token->header.command, adb::kAuth);
  ASSERT_EQ(token->payload.size(), adb::kTokenSize);
  host.send(adb::kAuth, adb::kAuthSignature, 0, stranger.sign(token->payload));
  const auto second = host.receive();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->header.command, adb::kAuth);
  EXPECT_NE(second->payload, token->payload);
  // The signature of an old token is no good.
  host.send(adb::kAuth, adb::kAuthSignature, 0, key.sign(token->payload));
  const auto third = host.receive();
  ASSERT_EQ(third->header.command, adb::kAuth);
  host.open("shell,v2,raw:echo");
  host.send(adb::kAuth, adb::kAuthPublicKey, 0, key.line());
  host.send(adb::kAuth, adb::kAuthSignature, 0, key.sign(third->payload));
  const auto welcome = host.receive();
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->header.command, adb::kCnxn);
  EXPECT_EQ(fleet.stats().commands, 0U);
  EXPECT_EQ(host.shell("echo in").out, "in\n");
}

TEST(Simulator, TheJournalHasACommandBeforeItsAnswer) {
  const TestFolder folder;
  TestFleet fleet(SimOptions{.phones = 3, .journal = folder.file("journal")});
  TestHost host(fleet.address(2));
  ASSERT_TRUE(host.handshake());
  host.open("shell,v2,raw:exec </dev/null;echo drover:$$;\nsleep 100");
  ASSERT_EQ(host.receive()->header.command, adb::kOkay);
  const std::string line = folder.read("journal");
  EXPECT_THAT(line,
              testing::MatchesRegex("[0-9]+ 2 [0-9]+ exec </dev/null;echo drover:\\$\\$;\\\\nsleep 100\n"));
}

TEST(Simulator, WithoutAJournalThereIsNoAnswer) {
  TestFleet fleet(SimOptions{.phones = 1, .journal = "/dev/full"});
  TestHost host(fleet.address(0));
  ASSERT_TRUE(host.handshake());
  host.open("shell,v2,raw:echo");
  host.set_patience(100);
  EXPECT_FALSE(host.receive());
  EXPECT_FALSE(host.ended());
}

TEST(Simulator, SaysHowManyPhonesThereMayBe) {
  TestFleet fleet(SimOptions{.phones = max_phones() + 1});
  ASSERT_FALSE(fleet.ok());
  EXPECT_EQ(fleet.error().code, Errc::kTooManyPhones);
  EXPECT_THAT(fleet.error().message, HasSubstr("allows 1 to " + std::to_string(max_phones())));
}

TEST(Simulator, SaysThatAPortIsTaken) {
  TestFleet one(1);
  TestFleet two(SimOptions{.phones = 1, .port = one.port()});
  ASSERT_FALSE(two.ok());
  EXPECT_EQ(two.error().code, Errc::kListen);
  EXPECT_THAT(two.error().message, HasSubstr(std::to_string(one.port())));
}

TEST(Listeners, ASocketForEachPhoneIsTheOtherWay) {
  const auto listeners = listen_on_each(3, 0);
  ASSERT_TRUE(listeners) << listeners.error().message;
  EXPECT_EQ(listeners->sockets.size(), 3U);
  const std::string port = ":" + std::to_string(listeners->port);
  EXPECT_TRUE(TestHost("127.1.0.3" + port).connected());
  EXPECT_FALSE(TestHost("127.1.0.4" + port).connected());
  const auto many = listen_on_each(max_phones(), 0);
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, Errc::kTooManyPhones);
}

}  // namespace
}  // namespace drover::sim
