#include "adb/host_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "adb/errc.h"
#include "adb/shell_command.h"
#include "adb/shell_stream.h"

namespace drover::adb {
namespace {

class ManualClock final : public Clock {
 public:
  SteadyTime steady() const override { return now; }
  SteadyTime now{std::chrono::hours(1)};
};

class FakeKey final : public Key {
 public:
  explicit FakeKey(std::string name) : name_(std::move(name)) {}
  std::string sign(std::string_view token) const override { return name_ + std::string(token); }
  std::string public_line(std::string_view) const override { return {}; }

 private:
  std::string name_;
};

struct Packet {
  Header header;
  std::string payload;
};

// Notes what is told of one shell.
class Notes final : public ShellEvents {
 public:
  void on_output(Output from, std::string_view bytes) override {
    (from == Output::kStdout ? out : err) += bytes;
    if (during_output) during_output();
  }
  void on_end(const ShellEnd& e) override {
    EXPECT_FALSE(end) << "told twice";
    end = e;
    if (during_end) during_end();
  }
  std::error_code why() const { return end ? end->why : std::error_code(); }

  std::string out, err;
  std::optional<ShellEnd> end;
  std::function<void()> during_output, during_end;
};

constexpr std::string_view kNewBanner = "device::ro.product.model=x;features=shell_v2,cmd";
constexpr std::string_view kOldBanner = "device::ro.product.model=x;";
constexpr std::uint32_t kPhoneLimit = 1024 * 1024;

std::string v2(char id, std::string_view data) {
  std::string packet(1, id);
  for (unsigned shift = 0; shift < 32; shift += 8) packet += static_cast<char>(data.size() >> shift);
  return packet.append(data);
}

// The test plays the phone.
class HostSessionTest : public testing::Test, private SessionDriver {
 protected:
  void make_session(std::vector<std::string> keys = {}) {
    std::vector<std::unique_ptr<Key>> ring;
    for (std::string& key : keys) ring.push_back(std::make_unique<FakeKey>(std::move(key)));
    session.emplace(clock, std::make_shared<KeyRing>(std::move(ring)), 256 * 1024, Millis(10'000),
                    static_cast<SessionDriver&>(*this));
    session->start();
  }

  void go_online(std::string_view banner = kNewBanner, std::uint32_t version = kVersionSkipChecksum) {
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
  std::vector<Packet> take() {
    std::vector<Packet> packets;
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
  void expect_sent(std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> wanted) {
    std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> sent;
    for (const Packet& p : take()) sent.emplace_back(p.header.command, p.header.arg0, p.header.arg1);
    EXPECT_EQ(sent, wanted);
  }

  // Starts a shell whose stream the phone knows as `remote`.
  std::unique_ptr<Shell> open_shell(Notes& notes, std::uint32_t remote) {
    auto shell = start_shell(*session, "true", notes);
    const std::vector<Packet> sent = take();
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

TEST_F(HostSessionTest, SaysWhoWeAre) {
  make_session();
  const std::vector<Packet> sent = take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].header.command, kCnxn);
  EXPECT_EQ(sent[0].header.arg0, 0x01000001U);
  EXPECT_EQ(sent[0].header.arg1, 262'144U);
  EXPECT_EQ(sent[0].header.check, checksum(sent[0].payload)) << "the phone may be an old one";
  EXPECT_EQ(sent[0].payload, "host::features=shell_v2");
}

TEST_F(HostSessionTest, TriesEachKeyOnceAndSendsNoPublicKey) {
  make_session({"first-", "second-"});
  take();
  phone(kAuth, kAuthToken, 0, std::string(20, 'a'));
  phone(kAuth, kAuthToken, 0, std::string(20, 'b'));
  const std::vector<Packet> sent = take();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].header.arg0, kAuthSignature);
  EXPECT_EQ(sent[0].payload, "first-" + std::string(20, 'a'));
  EXPECT_EQ(sent[1].payload, "second-" + std::string(20, 'b'));
  EXPECT_EQ(sent[1].header.check, checksum(sent[1].payload));
  phone(kAuth, kAuthToken, 0, std::string(20, 'c'));
  EXPECT_EQ(error(), Errc::kUnauthorized);
  EXPECT_TRUE(take().empty());
}

TEST_F(HostSessionTest, AgreesOnTheSmallerOfEach) {
  make_session();
  phone(kCnxn, 0x01000000, 4096, kOldBanner);
  ASSERT_EQ(banners.size(), 1U);
  EXPECT_EQ(banners[0].version, 0x01000000U);
  EXPECT_EQ(banners[0].max_payload, 4096U);
  EXPECT_EQ(session->max_payload(), 4096U);
  phone(kCnxn, 0x01000002, 0xffffffff, kOldBanner);
  EXPECT_EQ(session->max_payload(), 262'144U);
  EXPECT_EQ(banners.size(), 1U) << "a phone that begins anew is not a new one";
}

TEST_F(HostSessionTest, ChecksumsOnlyForOldPhones) {
  go_online(kNewBanner, 0x01000000);
  Notes notes;
  auto shell = start_shell(*session, "true", notes);
  Packet open = take().at(0);
  EXPECT_EQ(open.header.check, checksum(open.payload));
  shell.reset();
  go_online(kNewBanner, 0x01000001);
  shell = start_shell(*session, "true", notes);
  open = take().at(0);
  EXPECT_EQ(open.header.check, 0U);
}

TEST_F(HostSessionTest, HandshakeRefusals) {
  const auto refuse = [&](Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload) {
    make_session({"key"});
    phone(command, arg0, arg1, payload);
    return error();
  };
  EXPECT_EQ(refuse(kStls, 0x01000000, 0, ""), Errc::kTlsRequired);
  EXPECT_EQ(refuse(kCnxn, kVersionMin, kPhoneLimit, "host::"), Errc::kProtocol);
  EXPECT_EQ(refuse(kCnxn, kVersionMin, 4095, kNewBanner), Errc::kProtocol);
  EXPECT_EQ(refuse(kAuth, kAuthToken, 0, "short"), Errc::kProtocol);
  EXPECT_EQ(refuse(kAuth, kAuthPublicKey, 0, std::string(20, 'x')), Errc::kProtocol);
  EXPECT_EQ(refuse(kOkay, 1, 1, ""), Errc::kProtocol);
  EXPECT_EQ(refuse(kWrte, 1, 1, "x"), Errc::kProtocol);
  EXPECT_EQ(refuse(kCnxn, kVersionMin, kPhoneLimit, std::string(4097, 'x')), Errc::kProtocol);
  go_online();
  phone(kAuth, kAuthToken, 0, std::string(20, 'x'));
  EXPECT_EQ(error(), Errc::kProtocol);
}

TEST_F(HostSessionTest, AShortCommandCostsTwoSends) {
  go_online();
  Notes notes;
  auto shell = start_shell(*session, "echo hi", notes);
  EXPECT_EQ(outputs, 1);
  const Packet open = take().at(0);
  EXPECT_EQ(open.payload, shell_v2_service("echo hi") + '\0');
  EXPECT_EQ(open.header.arg1, 0U);
  const std::uint32_t id = open.header.arg0;
  received =
      session->receive(packet(kOkay, 77, id) +
                       packet(kWrte, 77, id, v2(1, "drover:1234\nhi\n") + v2(2, "oops\n") + v2(3, "\5")));
  ASSERT_TRUE(received);
  EXPECT_EQ(outputs, 1) << "the answers wait for the end of receive()";
  expect_sent({{kOkay, id, 77}, {kClse, id, 77}});
  ASSERT_TRUE(notes.end);
  EXPECT_EQ(notes.end->exit_code, 5);
  EXPECT_FALSE(notes.end->why);
  EXPECT_EQ(notes.out, "hi\n");
  EXPECT_EQ(notes.err, "oops\n");
  phone(kClse, 77, id);
  phone(kClse, 0, id);
  EXPECT_TRUE(received);
  EXPECT_TRUE(take().empty()) << "CLSE is not answered twice";
}

TEST_F(HostSessionTest, EveryPieceIsAcknowledged) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 5);
  const std::string bytes = v2(1, "drover:99\nabc") + v2(2, "err") + v2(3, std::string(1, '\0'));
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> wanted;
  for (const char c : bytes) {
    phone(kWrte, 5, local, std::string(1, c));
    wanted.emplace_back(kOkay, local, 5);
  }
  wanted.emplace_back(kClse, local, 5);
  expect_sent(wanted);
  EXPECT_EQ(notes.out, "abc");
  EXPECT_EQ(notes.err, "err");
  EXPECT_EQ(notes.end->exit_code, 0);
}

TEST_F(HostSessionTest, IdsAreNotUsedAgainSoon) {
  go_online();
  std::vector<std::uint32_t> ids;
  for (std::uint32_t i = 1; i <= 100; ++i) {
    Notes notes;
    const auto shell = open_shell(notes, i);
    ids.push_back(local);
    EXPECT_NE(local, 0U);
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST_F(HostSessionTest, RefusedStreamHasNotBegun) {
  go_online();
  Notes notes;
  const auto shell = start_shell(*session, "true", notes);
  phone(kClse, 0, take().at(0).header.arg0);
  ASSERT_TRUE(notes.end);
  EXPECT_EQ(notes.why(), Errc::kClosed);
  EXPECT_FALSE(notes.end->may_have_begun);
  EXPECT_TRUE(take().empty());
}

TEST_F(HostSessionTest, ClosedWithoutExitCodeIsUnknown) {
  for (const std::uint32_t by : {0U, 9U}) {  // old adbd closes with 0 in place of its id
    go_online();
    Notes notes;
    const auto shell = open_shell(notes, 9);
    phone(kWrte, 9, local, v2(1, "drove"));
    take();
    phone(kClse, by, local);
    ASSERT_TRUE(notes.end);
    EXPECT_EQ(notes.end->exit_code, std::nullopt);
    EXPECT_EQ(notes.why(), Errc::kClosed);
    EXPECT_TRUE(notes.end->may_have_begun);
    EXPECT_EQ(notes.out, "drove") << "it did not become the process group's line";
    expect_sent({{kClse, local, 9}});
  }
}

TEST_F(HostSessionTest, ForeignIdsTouchNoStream) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 9);
  phone(kWrte, 8, local, v2(3, "\1"));
  phone(kClse, 8, local);
  phone(kOkay, 8, local);
  EXPECT_TRUE(received);
  EXPECT_FALSE(notes.end);
  EXPECT_TRUE(take().empty());
}

TEST_F(HostSessionTest, LateOkayIsHungUpOn) {
  go_online();
  Notes notes;
  auto shell = start_shell(*session, "true", notes);
  const std::uint32_t id = take().at(0).header.arg0;
  shell.reset();
  EXPECT_TRUE(take().empty()) << "we do not know the phone's id yet";
  phone(kOkay, 3, id);
  expect_sent({{kClse, id, 3}});
  EXPECT_FALSE(notes.end);
}

TEST_F(HostSessionTest, DestroyedShellHangsUp) {
  go_online();
  Notes notes;
  auto shell = open_shell(notes, 3);
  shell.reset();
  expect_sent({{kClse, local, 3}});
  EXPECT_FALSE(notes.end);
}

TEST_F(HostSessionTest, SecondCnxnEndsAllStreams) {
  go_online();
  Notes one, two, after;
  std::unique_ptr<Shell> third;
  const auto first = open_shell(one, 1);
  const auto second = open_shell(two, 2);
  two.during_end = [&] { third = start_shell(*session, "true", after); };
  phone(kCnxn, kVersionSkipChecksum, kPhoneLimit, kNewBanner);
  EXPECT_TRUE(received);
  EXPECT_EQ(one.why(), Errc::kClosed);
  EXPECT_EQ(two.why(), Errc::kClosed);
  EXPECT_TRUE(session->online());
  EXPECT_FALSE(after.end);
  expect_sent({{kOpen, local + 1, 0}});
}

TEST_F(HostSessionTest, PhonesThatWasteOurTimeAreCut) {
  for (const Command command : {kOkay, kWrte, kClse, kOpen, kCnxn}) {
    go_online();
    int packets = 0;
    for (received = {}; received && packets < 1000; ++packets) {
      phone(command, kVersionSkipChecksum, kPhoneLimit, kNewBanner);
    }
    EXPECT_EQ(error(), Errc::kProtocol);
    EXPECT_LT(packets, 100);
    EXPECT_LT(session->output().size(), 10'000U);
  }
}

TEST_F(HostSessionTest, ManyClosedShellsAreNoWasteOfTime) {
  go_online();
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    Notes notes;
    open_shell(notes, i).reset();
    phone(kWrte, i, local, "late");
    phone(kClse, i, local);
    phone(kClse, 0, local);
    ASSERT_TRUE(received);
    take();
  }
}

TEST_F(HostSessionTest, GarbageInShellV2EndsTheShellOnly) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 4);
  phone(kWrte, 4, local, "this is not shell_v2");
  EXPECT_TRUE(received);
  EXPECT_EQ(notes.why(), Errc::kProtocol);
  EXPECT_TRUE(notes.end->may_have_begun);
  expect_sent({{kOkay, local, 4}, {kClse, local, 4}});
}

TEST_F(HostSessionTest, EndTellsWhatMayHaveBegun) {
  go_online();
  Notes acknowledged, sent, unsent;
  const auto a = open_shell(acknowledged, 1);
  const auto b = start_shell(*session, "true", sent);
  session->sent(session->output().size());
  const auto c = start_shell(*session, "true", unsent);
  session->sent(session->output().size() - 1);  // without its last byte, OPEN is nothing to the phone
  session->end(Errc::kTimeout);
  EXPECT_TRUE(acknowledged.end->may_have_begun);
  EXPECT_TRUE(sent.end->may_have_begun);
  EXPECT_FALSE(unsent.end->may_have_begun);
  EXPECT_EQ(unsent.why(), Errc::kTimeout);
  EXPECT_FALSE(session->online());
}

TEST_F(HostSessionTest, UnacknowledgedOpenIsTheConnectionsEnd) {
  go_online();
  Notes notes;
  const auto shell = start_shell(*session, "true", notes);
  EXPECT_EQ(wake, clock.now + Millis(10'000));
  EXPECT_EQ(session->next_deadline(), wake);
  EXPECT_TRUE(session->expire(wake - Millis(1)));
  const Result<> expired = session->expire(wake);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, Errc::kTimeout);
}

TEST_F(HostSessionTest, AcknowledgedShellMayRunForever) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 1);
  EXPECT_EQ(session->next_deadline(), SteadyTime::max());
  EXPECT_TRUE(session->expire(clock.now + std::chrono::hours(1000)));
  EXPECT_FALSE(notes.end);
}

TEST_F(HostSessionTest, KillGoesToTheGroupInASecondStream) {
  go_online();
  Notes notes;
  auto shell = open_shell(notes, 1);
  const std::uint32_t main = local;
  phone(kWrte, 1, main, v2(1, "drover:321\n"));
  take();
  shell->kill();
  shell->kill();
  const std::vector<Packet> sent = take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].payload, kill_service(321, true) + '\0');
  const std::uint32_t killer = sent[0].header.arg0;
  phone(kOkay, 2, killer);
  phone(kWrte, 1, main, v2(3, "\x8f"));
  EXPECT_EQ(notes.end->exit_code, 0x8f);
  shell.reset();
  expect_sent({{kOkay, main, 1}, {kClse, main, 1}});
  // KILL is still to come, so that stream lives on.
  phone(kWrte, 2, killer, v2(3, std::string(1, '\0')));
  expect_sent({{kOkay, killer, 2}});
  phone(kClse, 2, killer);
  expect_sent({{kClse, killer, 2}});
  EXPECT_EQ(session->next_deadline(), SteadyTime::max());
}

TEST_F(HostSessionTest, KillBeforeTheGroupIsKnownWaitsForIt) {
  go_online();
  Notes notes;
  const auto shell = start_shell(*session, "true", notes);
  local = take().at(0).header.arg0;
  shell->kill();
  EXPECT_TRUE(take().empty());
  phone(kOkay, 1, local);
  phone(kWrte, 1, local, v2(1, "drover:3"));
  expect_sent({{kOkay, local, 1}});
  phone(kWrte, 1, local, v2(1, "22\n"));
  expect_sent({{kOkay, local, 1}, {kOpen, local + 1, 0}});
}

TEST_F(HostSessionTest, UnansweredKillTimesOut) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 1);
  phone(kWrte, 1, local, v2(1, "drover:321\n"));
  shell->kill();
  const std::uint32_t killer = take().back().header.arg0;
  phone(kOkay, 2, killer);
  clock.now += Millis(4'999);
  EXPECT_TRUE(session->expire(clock.now));
  EXPECT_FALSE(notes.end);
  clock.now += Millis(1);
  EXPECT_TRUE(session->expire(clock.now));
  EXPECT_EQ(notes.why(), Errc::kTimeout);
  expect_sent({{kClse, local, 1}});
  clock.now += Millis(5'000);
  EXPECT_TRUE(session->expire(clock.now));
  expect_sent({{kClse, killer, 2}});
  EXPECT_EQ(session->next_deadline(), SteadyTime::max());
}

TEST_F(HostSessionTest, KillWithoutAGroupHangsUp) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 1);
  phone(kWrte, 1, local, v2(1, "drover:1\nI am a phone of my own mind"));
  EXPECT_EQ(notes.out, "drover:1\nI am a phone of my own mind");
  take();
  shell->kill();
  EXPECT_FALSE(notes.end) << "not from inside kill()";
  EXPECT_LE(wake, clock.now);
  EXPECT_TRUE(session->expire(clock.now));
  EXPECT_EQ(notes.why(), Errc::kTimeout);
  expect_sent({{kClse, local, 1}});
}

TEST_F(HostSessionTest, ShellMayBeDestroyedInEveryEvent) {
  go_online();
  Notes out, err, end;
  auto shell = open_shell(out, 1);
  out.during_output = [&] { shell.reset(); };
  phone(kWrte, 1, local, v2(1, "drover:5\nx") + v2(1, "y") + v2(3, "\1"));
  EXPECT_EQ(out.out, "x");
  EXPECT_FALSE(out.end);
  shell = open_shell(err, 2);
  err.during_output = [&] { shell.reset(); };
  phone(kWrte, 2, local, v2(2, "x") + v2(2, "y"));
  EXPECT_EQ(err.err, "x");
  EXPECT_FALSE(err.end);
  shell = open_shell(end, 3);
  end.during_end = [&] { shell.reset(); };
  phone(kWrte, 3, local, v2(3, "\1") + v2(1, "late"));
  EXPECT_EQ(end.end->exit_code, 1);
  EXPECT_EQ(end.out, "");
}

TEST_F(HostSessionTest, ShellMayBeDestroyedInOutputThatWasHeldBack) {
  go_online();
  Notes notes;
  auto shell = open_shell(notes, 1);
  notes.during_output = [&] { shell.reset(); };
  phone(kWrte, 1, local, v2(1, "drov") + v2(3, "\1"));
  EXPECT_EQ(notes.out, "drov");
  EXPECT_FALSE(notes.end);
}

TEST_F(HostSessionTest, NothingFollowsAfterAbandon) {
  go_online();
  Notes one, two;
  const auto first = open_shell(one, 1);
  const std::uint32_t id = local;
  const auto second = open_shell(two, 2);
  one.during_output = [&] { session->abandon(); };
  received = session->receive(packet(kWrte, 1, id, v2(1, "drover:5\nx") + v2(1, "y")) +
                              packet(kWrte, 2, local, v2(1, "z")));
  EXPECT_TRUE(received);
  EXPECT_EQ(one.out, "x");
  EXPECT_EQ(two.out, "");
  first->kill();
  EXPECT_FALSE(one.end);
  EXPECT_FALSE(two.end);
}

TEST_F(HostSessionTest, LegacyPhone) {
  go_online(kOldBanner, 0x01000000);
  Notes notes;
  const auto shell = open_shell(notes, 1);
  const std::size_t at = opened.find("drover-");
  ASSERT_NE(at, std::string::npos);
  const std::string marker = opened.substr(at, 24);
  EXPECT_EQ(opened, legacy_shell_service("true", marker) + '\0');
  for (const char c : "drover:77\r\none\r\n" + marker + "4\r\n") phone(kWrte, 1, local, std::string(1, c));
  EXPECT_EQ(notes.out, "one\n");
  EXPECT_FALSE(notes.end) << "only the stream's end makes it the last line";
  phone(kClse, 0, local);
  EXPECT_EQ(notes.end->exit_code, 4);
  EXPECT_FALSE(notes.end->why);
}

TEST_F(HostSessionTest, LegacyWithoutMarkerIsUnknown) {
  go_online(kOldBanner);
  Notes notes;
  const auto shell = open_shell(notes, 1);
  phone(kWrte, 1, local, "sh: syntax error\r\ndrover-");
  phone(kClse, 1, local);
  EXPECT_EQ(notes.out, "sh: syntax error\ndrover-");
  EXPECT_EQ(notes.end->exit_code, std::nullopt);
  EXPECT_EQ(notes.why(), Errc::kClosed);
}

TEST_F(HostSessionTest, LegacyKill) {
  go_online(kOldBanner);
  Notes notes;
  const auto shell = open_shell(notes, 1);
  phone(kWrte, 1, local, "drover:77\r\n");
  take();
  shell->kill();
  EXPECT_EQ(take().at(0).payload, kill_service(77, false) + '\0');
}

TEST_F(HostSessionTest, LargePacketInPieces) {
  go_online();
  Notes notes;
  auto shell = open_shell(notes, 1);
  const std::string bytes = packet(kWrte, 1, local, v2(1, std::string(200'000, 'x')));
  for (std::size_t i = 0; i < bytes.size(); i += 4096) received = session->receive(bytes.substr(i, 4096));
  EXPECT_EQ(notes.out.size(), 200'000U);
  take();
  phone(kWrte, 1, local, v2(3, "\1"));
  take();
  EXPECT_TRUE(session->output().empty());
}

}  // namespace
}  // namespace drover::adb
