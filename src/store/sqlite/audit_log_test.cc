// What is particular to the audit log in SQLite: the rows of its hours, and ways around its trigger.
#include <gtest/gtest.h>

#include "store/sqlite/audit_log.h"
#include "store/sqlite/database.h"
#include "store/sqlite/store_fixture.h"

namespace drover::store {
namespace {

using sqlite::Database;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kHour = 3'600'000;

class SqliteAuditLogTest : public SqliteTest {
 protected:
  std::vector<std::string> subjects(const AuditQuery& query = {}) {
    const auto entries = read_audit(store(), query).value();
    std::vector<std::string> all;
    for (const AuditEntry& entry : entries) all.push_back(entry.subject);
    return all;
  }

  std::uint64_t delete_all(std::int64_t before_ms) {
    std::uint64_t sum = 0;
    while (const auto deleted = delete_old(store(), {.audit_before_ms = before_ms}).value()) sum += deleted;
    return sum;
  }

  // Rows of audit_hour.
  std::int64_t hours() { return Database::open(path())->integer("SELECT count(*) FROM audit_hour").value(); }

  // In one write.
  Result<> add(std::int64_t at_ms, std::initializer_list<const char*> subjects) {
    std::vector<AuditEntry> entries;
    for (const char* subject : subjects) entries.push_back(make_entry(subject, at_ms));
    return add_audit(store(), std::move(entries));
  }
};

TEST_F(SqliteAuditLogTest, NoKindOfUpdateGetsPastTheTrigger) {
  ASSERT_TRUE(add(5, {"a", "b"}));
  auto db = Database::open(path()).value();
  const auto refused = db.run("UPDATE audit SET subject = 'c' WHERE seq = 1");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("the audit log is only added to"));
  EXPECT_FALSE(db.run("UPDATE OR REPLACE audit SET seq = 2 WHERE seq = 1"));
  EXPECT_FALSE(db.run(
      "INSERT INTO audit SELECT * FROM audit WHERE seq = 1 ON CONFLICT(seq) DO UPDATE SET status = 1"));
  EXPECT_THAT(subjects(), ElementsAre("a", "b"));
}

TEST_F(SqliteAuditLogTest, HoursAreMarkedOnceAndGoWithTheirEntries) {
  ASSERT_TRUE(add(2 * kHour, {"two"}));
  ASSERT_TRUE(add(2 * kHour + 7, {"past two"}));
  ASSERT_TRUE(add(5 * kHour - 1, {"before five"}));
  ASSERT_TRUE(add(2 * kHour + 3, {"two again"}));
  ASSERT_TRUE(add(9 * kHour, {"nine"}));
  EXPECT_EQ(hours(), 4);
  EXPECT_EQ(delete_all(3 * kHour), 3u);
  EXPECT_EQ(hours(), 2);
  EXPECT_EQ(delete_all(100 * kHour), 2u);
  EXPECT_EQ(hours(), 0);
}

// The entries of AnswersOfLargeEntriesAreShortButNeverEmpty are large.
static_assert(150'000 * 33 > sqlite::AuditReads::kAnswerBytes);

}  // namespace
}  // namespace drover::store
