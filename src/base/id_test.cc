#include "base/id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

namespace drover {
namespace {

constexpr std::string_view kHex = "018bcfe568000123456789ab00000000";

TEST(Id, HexGoesBothWays) {
  const auto id = Id::parse(kHex);
  ASSERT_TRUE(id);
  EXPECT_EQ(id->hex(), kHex);
  EXPECT_EQ(id->bytes[0], 0x01);
  EXPECT_EQ(id->bytes[11], 0xab);
  std::string out = "x";
  id->append_hex(out);
  EXPECT_EQ(out, "x" + std::string(kHex));
}

TEST(Id, OnlyLowerCaseHexOfTheRightLengthParses) {
  EXPECT_FALSE(Id::parse(""));
  EXPECT_FALSE(Id::parse(kHex.substr(1)));
  EXPECT_FALSE(Id::parse(std::string(kHex) + "0"));
  for (const char bad : {'g', 'F', ' ', '-', '\0', '/', ':', '`'}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{15}, kHex.size() - 1}) {
      std::string hex(kHex);
      hex[at] = bad;
      EXPECT_FALSE(Id::parse(hex)) << hex;
    }
  }
}

TEST(Id, JobsAreNumberedFromOne) {
  const Id task = *Id::parse(kHex);
  EXPECT_EQ(task.part(), 0u);
  EXPECT_EQ(task.job(0).hex(), "018bcfe568000123456789ab00000001");
  EXPECT_EQ(task.job(0x01020303).hex(), "018bcfe568000123456789ab01020304");
  EXPECT_EQ(task.job(99).part(), 100u);
  EXPECT_EQ(task.job(99).task(), task);
  EXPECT_EQ(task.job(99).job(7), task.job(7));
}

TEST(Id, JobsFollowTheirTaskAndPrecedeTheNext) {
  IdMaker maker;
  const Id first = maker.next(1'700'000'000'000);
  const Id second = maker.next(1'700'000'000'000);
  EXPECT_LT(first, first.job(0));
  EXPECT_LT(first.job(0), first.job(1));
  EXPECT_LT(first.job(255), first.job(256));
  EXPECT_LT(first.job(1'000'000), second);
}

TEST(IdMaker, BeginsWithTheTime) {
  IdMaker maker;
  EXPECT_EQ(maker.next(0x018bcfe56800).hex().substr(0, 12), "018bcfe56800");
  EXPECT_EQ(maker.next(0x018bcfe56801).hex().substr(0, 12), "018bcfe56801");
}

TEST(IdMaker, IdsRiseAlsoWhenTheClockGoesBack) {
  IdMaker maker;
  Id last = maker.next(1'000);
  for (const std::int64_t ms : {1'000, 1'000, 1'001, 999, 0, 1'001, 1'002, 5, 2'000}) {
    const Id id = maker.next(ms);
    EXPECT_GT(id, last) << ms;
    EXPECT_EQ(id.part(), 0u);
    last = id;
  }
}

TEST(IdMaker, MakersDoNotMeet) {
  std::set<Id> ids;
  for (int i = 0; i < 1'000; ++i) {
    IdMaker maker;
    ids.insert(maker.next(1'000));
  }
  EXPECT_EQ(ids.size(), 1'000u);
}

TEST(IdMaker, MakersDoNotMeetIn1970Either) {
  std::set<Id> ids;
  for (int i = 0; i < 1'000; ++i) {
    IdMaker maker;
    ids.insert(maker.next(0));
    ids.insert(maker.next(1));
  }
  EXPECT_EQ(ids.size(), 2'000u);
}

TEST(IdMaker, CountingOnGoesPastTheLastRandomPart) {
  IdMaker maker;
  Id last = maker.next(1'000);
  for (int i = 0; i < 200'000; ++i) {  // over two of the lower bytes
    const Id id = maker.next(1'000);
    ASSERT_GT(id, last);
    last = id;
  }
}

// Servers that start with the same wrong time, as after a power cut without a battery for the clock: each
// counts on within the one millisecond that it was given.
TEST(IdMaker, ThreadsWithTheSameMillisecondDoNotMeet) {
  constexpr int kThreads = 8;
  constexpr int kMakers = 25;
  constexpr int kIds = 1'000;
  std::vector<std::vector<Id>> made(kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::vector<Id>& mine : made) {
      threads.emplace_back([&mine] {
        for (int maker = 0; maker < kMakers; ++maker) {
          IdMaker ids;
          for (int i = 0; i < kIds; ++i) mine.push_back(ids.next(1'700'000'000'000 - i % 3));
        }
      });
    }
  }
  std::vector<Id> all;
  for (const std::vector<Id>& mine : made) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all.size(), std::size_t{kThreads} * kMakers * kIds);
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

// Processes that are copies of each other share no state from which they would draw the same.
TEST(IdMaker, ProcessesWithTheSameMillisecondDoNotMeet) {
  constexpr int kProcesses = 16;
  constexpr std::size_t kIds = 200;
  std::set<Id> all;
  for (int i = 0; i < kProcesses; ++i) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      IdMaker maker;
      std::array<Id, kIds> ids;
      for (Id& id : ids) id = maker.next(1'700'000'000'000);
      _exit(write(ends[1], ids.data(), sizeof ids) == sizeof ids ? 0 : 1);  // less than a pipe holds
    }
    close(ends[1]);
    std::array<Id, kIds> ids;
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ASSERT_EQ(read(ends[0], ids.data(), sizeof ids), static_cast<ssize_t>(sizeof ids));
    close(ends[0]);
    all.insert(ids.begin(), ids.end());
  }
  EXPECT_EQ(all.size(), kProcesses * kIds);
}

TEST(Id, HashTellsTasksAndJobsApart) {
  IdMaker maker;
  std::unordered_set<std::size_t> hashes;
  for (int i = 0; i < 100; ++i) {
    const Id task = maker.next(1'000);
    for (std::uint32_t job = 0; job < 100; ++job) hashes.insert(std::hash<Id>()(task.job(job)));
  }
  EXPECT_GE(hashes.size(), 9'999u);  // of 10,000
}

TEST(FillRandom, FillsAllOfIt) {
  std::array<unsigned char, 64> ever{};
  for (int round = 0; round < 20; ++round) {
    std::array<unsigned char, 64> bytes{};
    fill_random(bytes.data(), bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) ever[i] |= bytes[i];
  }
  EXPECT_THAT(ever, testing::Each(testing::Ne(0)));
}

TEST(ToHex, WritesTwoDigitsAByte) {
  EXPECT_EQ(to_hex({"\x00\x0f\xf0\xff", 4}), "000ff0ff");
  EXPECT_EQ(to_hex(""), "");
}

}  // namespace
}  // namespace drover
