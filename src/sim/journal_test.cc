#include "sim/journal.h"

#include <gtest/gtest.h>

#include "sim/errc.h"
#include "sim/test_fleet.h"

namespace drover::sim {
namespace {

TEST(Journal, ALinePerCommandWhateverItHolds) {
  const TestFolder folder;
  auto journal = Journal::open(folder.file("journal"));
  ASSERT_TRUE(journal);
  journal->record(1000, 0, 2001, "echo a\necho 'b\\' # \t\r\x1b");
  journal->record(1001, 12, 2002, "");
  EXPECT_EQ(folder.read("journal"), "");
  EXPECT_TRUE(journal->flush());
  EXPECT_EQ(folder.read("journal"), "1000 0 2001 echo a\\necho 'b\\\\' # \\t\\r\\x1b\n1001 12 2002 \n");
}

TEST(Journal, AppendsToWhatIsThere) {
  const TestFolder folder;
  for (int i = 0; i < 2; ++i) {
    auto journal = Journal::open(folder.file("journal"));
    journal->record(i, 1, 2, "x");
  }
  EXPECT_EQ(folder.read("journal"), "0 1 2 x\n1 1 2 x\n");
}

TEST(Journal, KeepsALineThatCannotBeWritten) {
  auto journal = Journal::open("/dev/full");
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->flush());
  journal->record(1, 2, 3, "x");
  EXPECT_FALSE(journal->flush());
  EXPECT_FALSE(journal->flush());
}

TEST(Journal, SaysWhichFileItCannotOpen) {
  const auto journal = Journal::open("/nonexistent/journal");
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code, Errc::kFile);
  EXPECT_NE(journal.error().message.find("/nonexistent/journal"), std::string::npos);
}

TEST(Journal, WithoutAPathItKeepsNothing) {
  auto journal = Journal::open("");
  ASSERT_TRUE(journal);
  journal->record(1, 2, 3, "x");
  EXPECT_TRUE(journal->flush());
}

}  // namespace
}  // namespace drover::sim
