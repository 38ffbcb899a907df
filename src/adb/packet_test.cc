#include "adb/packet.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "adb/errc.h"

namespace drover::adb {
namespace {

struct Packet {
  Header header;
  std::string payload;
};

// Feeds `bytes` in pieces of sizes that `next_size` gives.
template <typename NextSize>
std::vector<Packet> cut(PacketReader& reader, std::string_view bytes, NextSize next_size) {
  std::vector<Packet> packets;
  while (!bytes.empty()) {
    const std::string piece(bytes.substr(0, next_size()));  // a copy of its own, so that asan sees overreads
    bytes.remove_prefix(piece.size());
    const Result<> fed = reader.feed(piece, [&](const Header& header, std::string_view payload) {
      packets.push_back({header, std::string(payload)});
      return true;
    });
    EXPECT_TRUE(fed) << fed.error().message;
    if (!fed) break;
  }
  return packets;
}

Errc fail_with(std::string_view bytes, std::uint32_t limit = 4096) {
  PacketReader reader(limit);
  const Result<> fed = reader.feed(bytes, [](const Header&, std::string_view) { return true; });
  EXPECT_FALSE(fed);
  return fed ? Errc{} : static_cast<Errc>(fed.error().code.value());
}

TEST(PacketTest, LayoutIsThatOfTheProtocol) {
  std::string out;
  append_packet(out, kOpen, 0x01020304, 0x0a0b0c0d, std::string_view("ab\xff", 3), true);
  const std::string expected(
      "OPEN"
      "\x04\x03\x02\x01"
      "\x0d\x0c\x0b\x0a"
      "\x03\0\0\0"
      "\xc2\x01\0\0"
      "\xb0\xaf\xba\xb1"
      "ab\xff",
      27);
  EXPECT_EQ(out, expected);
}

TEST(PacketTest, ChecksumIsLeftOutOnDemand) {
  std::string out;
  append_packet(out, kWrte, 1, 2, "abc", false);
  EXPECT_EQ(out.substr(16, 4), std::string(4, '\0'));
}

std::string three_packets() {
  std::string bytes;
  append_packet(bytes, kOkay, 1, 2, "", false);
  append_packet(bytes, kWrte, 3, 4, "some output", true);
  append_packet(bytes, kWrte, 5, 6, std::string(4096, 'x'), false);
  return bytes;
}

void expect_three(const std::vector<Packet>& packets) {
  ASSERT_EQ(packets.size(), 3U);
  EXPECT_EQ(packets[0].header.command, kOkay);
  EXPECT_EQ(packets[0].header.arg1, 2U);
  EXPECT_EQ(packets[1].payload, "some output");
  EXPECT_EQ(packets[1].header.check, checksum("some output"));
  EXPECT_EQ(packets[2].payload, std::string(4096, 'x'));
  EXPECT_EQ(packets[2].header.arg0, 5U);
}

TEST(PacketReaderTest, AllAtOnce) {
  PacketReader reader(4096);
  const std::string bytes = three_packets();
  expect_three(cut(reader, bytes, [&] { return bytes.size(); }));
}

TEST(PacketReaderTest, ByteByByte) {
  PacketReader reader(4096);
  expect_three(cut(reader, three_packets(), [] { return 1U; }));
}

TEST(PacketReaderTest, RandomPieces) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    PacketReader reader(4096);
    std::uniform_int_distribution<std::size_t> size(1, round % 2 == 0 ? 40 : 3000);
    expect_three(cut(reader, three_packets(), [&] { return size(random); }));
  }
}

TEST(PacketReaderTest, WholePacketIsNotCopied) {
  PacketReader reader(4096);
  std::string bytes;
  append_packet(bytes, kWrte, 1, 2, "payload", false);
  const Result<> fed = reader.feed(bytes, [&](const Header&, std::string_view payload) {
    EXPECT_EQ(payload.data(), bytes.data() + kHeaderSize);
    return true;
  });
  EXPECT_TRUE(fed);
}

TEST(PacketReaderTest, HandlerMayStopAndDestroyTheReader) {
  auto reader = std::make_unique<PacketReader>(4096);
  int seen = 0;
  const std::string bytes = three_packets();
  const Result<> fed = reader->feed(bytes, [&](const Header&, std::string_view) {
    ++seen;
    reader.reset();
    return false;
  });
  EXPECT_TRUE(fed);
  EXPECT_EQ(seen, 1);
}

TEST(PacketReaderTest, HandlerMayRaiseTheLimitForWhatFollows) {
  std::string bytes;
  append_packet(bytes, kCnxn, 1, 2, "", false);
  append_packet(bytes, kWrte, 1, 2, std::string(9000, 'y'), false);
  PacketReader reader(4096);
  std::size_t last = 0;
  const Result<> fed = reader.feed(bytes, [&](const Header&, std::string_view payload) {
    reader.set_max_payload(10'000);
    last = payload.size();
    return true;
  });
  EXPECT_TRUE(fed);
  EXPECT_EQ(last, 9000U);
}

TEST(PacketReaderTest, RefusesWrongMagic) {
  std::string bytes = three_packets();
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  EXPECT_EQ(fail_with(bytes), Errc::kProtocol);
}

TEST(PacketReaderTest, RefusesUnknownCommand) {
  std::string bytes;
  append_packet(bytes, static_cast<Command>(0x434e5953), 0, 0, "", false);  // SYNC, which never travels
  EXPECT_EQ(fail_with(bytes), Errc::kProtocol);
}

TEST(PacketReaderTest, RefusesALengthOverTheLimitByItsHeaderAlone) {
  Header header{.command = kWrte, .length = 4097, .magic = ~static_cast<std::uint32_t>(kWrte)};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  EXPECT_EQ(fail_with(bytes), Errc::kProtocol);
  header.length = 0xffffffff;
  bytes.assign(reinterpret_cast<const char*>(&header), sizeof header);
  EXPECT_EQ(fail_with(bytes), Errc::kProtocol);
  EXPECT_EQ(fail_with("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), Errc::kProtocol);
}

}  // namespace
}  // namespace drover::adb
