#include "adb/host_session.h"

#include <gtest/gtest.h>

#include "adb/testing/session_fixture.h"

namespace drover::adb {
namespace {

using HostSessionTest = SessionFixture;

TEST_F(HostSessionTest, SaysWhoWeAre) {
  make_session();
  const std::vector<SentPacket> sent = take();
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
  const std::vector<SentPacket> sent = take();
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
  make_session();
  phone(kCnxn, 0x01000002, 0xffffffff, kOldBanner);
  EXPECT_EQ(session->max_payload(), 262'144U);
}

TEST_F(HostSessionTest, ChecksumsOnlyForOldPhones) {
  go_online(kModernBanner, 0x01000000);
  Notes notes;
  auto shell = start_shell(*session, "true", notes);
  SentPacket open = take().at(0);
  EXPECT_EQ(open.header.check, checksum(open.payload));
  shell.reset();
  go_online(kModernBanner, 0x01000001);
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
  EXPECT_EQ(refuse(kCnxn, kVersionMin, 4095, kModernBanner), Errc::kProtocol);
  EXPECT_EQ(refuse(kAuth, kAuthToken, 0, "short"), Errc::kProtocol);
  EXPECT_EQ(refuse(kAuth, kAuthPublicKey, 0, std::string(20, 'x')), Errc::kProtocol);
  EXPECT_EQ(refuse(kOkay, 1, 1, ""), Errc::kProtocol);
  EXPECT_EQ(refuse(kWrte, 1, 1, "x"), Errc::kProtocol);
  EXPECT_EQ(refuse(kCnxn, kVersionMin, kPhoneLimit, std::string(4097, 'x')), Errc::kProtocol);
  go_online();
  phone(kAuth, kAuthToken, 0, std::string(20, 'x'));
  EXPECT_EQ(error(), Errc::kProtocol);
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

TEST_F(HostSessionTest, ForeignIdsTouchNoStream) {
  go_online();
  Notes notes;
  const auto shell = open_shell(notes, 9);
  phone(kWrte, 8, local, shell_v2_packet(3, "\1"));
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

TEST_F(HostSessionTest, SecondCnxnEndsTheConnection) {
  go_online();
  phone(kCnxn, kVersionSkipChecksum, kPhoneLimit, kModernBanner);
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().code, Errc::kProtocol);
}

TEST_F(HostSessionTest, PhonesThatWasteOurTimeAreCut) {
  for (const Command command : {kOkay, kWrte, kClse, kOpen}) {
    go_online();
    int packets = 0;
    for (received = {}; received && packets < 1000; ++packets) {
      phone(command, kVersionSkipChecksum, kPhoneLimit, kModernBanner);
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

TEST_F(HostSessionTest, NothingFollowsAfterAbandon) {
  go_online();
  Notes one, two;
  const auto first = open_shell(one, 1);
  const std::uint32_t id = local;
  const auto second = open_shell(two, 2);
  one.during_output = [&] { session->abandon(); };
  received =
      session->receive(packet(kWrte, 1, id, shell_v2_packet(1, "drover:5\nx") + shell_v2_packet(1, "y")) +
                       packet(kWrte, 2, local, shell_v2_packet(1, "z")));
  EXPECT_TRUE(received);
  EXPECT_EQ(one.out, "x");
  EXPECT_EQ(two.out, "");
  first->kill();
  EXPECT_FALSE(one.end);
  EXPECT_FALSE(two.end);
}

}  // namespace
}  // namespace drover::adb
