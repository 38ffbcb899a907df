// The audit log: what is in it stays in it, in order, until it is old.
#include <gtest/gtest.h>

#include <limits>

#include "store/testing/store_fixture.h"

namespace drover::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kHour = 3'600'000;

class AuditLogTest : public StoreTest {
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

  // In one write.
  Result<> add(std::int64_t at_ms, std::initializer_list<const char*> subjects) {
    std::vector<AuditEntry> entries;
    for (const char* subject : subjects) entries.push_back(make_entry(subject, at_ms));
    return add_audit(store(), std::move(entries));
  }
};

TEST_P(AuditLogTest, EntriesComeBackAsTheyWereInOrder) {
  AuditEntry full = make_entry("bob");
  full.project = 7;
  full.actor = "key:A of user:ann";
  full.address = "2001:db8::7";
  full.request_id = std::string("a\0b\n", 4);
  full.instances = {"p1", "p2"};
  full.status = 403;
  full.message = "not allowed";
  AuditEntry plain = make_entry("");
  ASSERT_TRUE(add_audit(store(), {full, plain}));
  ASSERT_TRUE(add_audit(store(), {make_entry("later", 5)}));
  reopen();
  full.seq = 1;
  plain.seq = 2;
  const auto entries = read_audit(store()).value();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0], full);
  EXPECT_EQ(entries[1], plain);
  EXPECT_EQ(entries[2].at_ms, 5);
  EXPECT_TRUE(add_audit(store(), {}));
  EXPECT_EQ(read_audit(store())->size(), 3u);
}

TEST_P(AuditLogTest, NothingCanBeChanged) {
  ASSERT_TRUE(add(5, {"a", "b"}));
  const auto refused = run_sql("UPDATE audit SET subject = 'c' WHERE seq = 1");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("the audit log is only added to"));
  EXPECT_THAT(subjects(), ElementsAre("a", "b"));
}

TEST_P(AuditLogTest, InstancesThatCouldNotComeBackAreRefusedAndHarmNobody) {
  AuditEntry bad = make_entry("bad");
  bad.instances = {"p1", "p\n2"};
  AuditEntry empty = make_entry("empty");
  empty.instances = {""};
  std::vector<Result<>> results;
  {
    HeldWriter held(store());
    for (const AuditEntry& entry : {bad, make_entry("good"), empty})
      store().add_audit({entry}, [&](Result<> result) { results.push_back(std::move(result)); });
    held.release();
    store().close();
  }
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].error().code, std::errc::invalid_argument);
  EXPECT_TRUE(results[1]);
  EXPECT_EQ(results[2].error().code, std::errc::invalid_argument);
  reopen();
  EXPECT_THAT(subjects(), ElementsAre("good"));
}

TEST_P(AuditLogTest, AcceptedTasksAndTheirEntriesAreOneWrite) {
  const Task first = make_task(1, 3);
  const Task silent = make_task(2, 2);
  const Task last = make_task(3, 1);
  WriteBatch batch;
  batch.accepted = {first, silent, last};
  for (const std::int64_t task : {1, 0, 3}) {
    batch.audit.push_back(make_entry("own"));
    batch.audit.back().task = task;
    batch.audit.back().instances = {"own"};
  }
  ASSERT_TRUE(write(store(), batch));
  const auto entries = read_audit(store()).value();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].subject, first.id.hex());
  EXPECT_EQ(entries[0].instances, first.targets);
  EXPECT_EQ(entries[1].subject, "own");
  EXPECT_THAT(entries[1].instances, ElementsAre("own"));
  EXPECT_EQ(entries[2].subject, last.id.hex());
  EXPECT_EQ(entries[2].instances, last.targets);
  EXPECT_EQ(entries[2].task, 0);
}

TEST_P(AuditLogTest, TaskThatIsNotStoredLeavesNoEntry) {
  const Task known = make_task(1, 1);
  ASSERT_TRUE(write(store(), accept(known)));
  WriteBatch again = accept(make_task(4, 1));
  again.accepted.push_back(known);
  again.audit = {make_entry("x"), make_entry("x")};
  again.audit[0].task = 4;
  again.audit[1].task = 1;
  EXPECT_EQ(write(store(), again).error().code, std::errc::invalid_argument);
  EXPECT_THAT(subjects(), IsEmpty());
  EXPECT_FALSE(read_task(store(), again.accepted[0].id).value());

  // An entry of a task that is not in the batch, and entries in another order than the tasks.
  WriteBatch stray = accept(make_task(4, 1));
  stray.audit = {make_entry("x")};
  stray.audit[0].task = 5;
  EXPECT_EQ(write(store(), stray).error().code, std::errc::invalid_argument);
  stray.accepted.push_back(make_task(5, 1));
  stray.audit.push_back(make_entry("x"));
  stray.audit[1].task = 4;
  EXPECT_EQ(write(store(), stray).error().code, std::errc::invalid_argument);
  EXPECT_THAT(subjects(), IsEmpty());
  EXPECT_EQ(list_tasks(store(), 1)->size(), 1u);
}

TEST_P(AuditLogTest, NumbersRiseAlsoAfterAllIsDeleted) {
  ASSERT_TRUE(add(5, {"a", "b"}));
  EXPECT_EQ(delete_all(kHour), 2u);
  reopen();
  ASSERT_TRUE(add(5, {"c"}));
  EXPECT_GT(read_audit(store())->at(0).seq, 2);
  EXPECT_THAT(subjects({.from_ms = 1, .until_ms = 6}), ElementsAre("c"));
}

TEST_P(AuditLogTest, IsReadInPages) {
  ASSERT_TRUE(add(5, {"a", "b", "c", "d"}));
  EXPECT_THAT(subjects({.limit = 3}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(subjects({.after = 3, .limit = 3}), ElementsAre("d"));
  EXPECT_THAT(subjects({.after = 1, .limit = 2}), ElementsAre("b", "c"));
  EXPECT_THAT(subjects({.after = 4}), IsEmpty());
  EXPECT_THAT(subjects({.after = std::numeric_limits<std::int64_t>::max()}), IsEmpty());
  EXPECT_THAT(subjects({.after = -7, .limit = 1}), ElementsAre("a"));
  EXPECT_THAT(subjects({.limit = 0}), IsEmpty());
}

TEST_P(AuditLogTest, IsReadByProject) {
  std::vector<AuditEntry> entries;
  for (const std::int64_t project : {1, 2, 0, 1, 2}) {
    entries.push_back(make_entry("of" + std::to_string(project), 5 * kHour + project));
    entries.back().project = project;
  }
  ASSERT_TRUE(add_audit(store(), std::move(entries)));
  EXPECT_THAT(subjects({.project = 2}), ElementsAre("of2", "of2"));
  EXPECT_THAT(subjects({.after = 2, .project = 2, .from_ms = kHour, .until_ms = 9 * kHour}),
              ElementsAre("of2"));
  EXPECT_THAT(subjects({.project = 0}), ElementsAre("of0"));
  EXPECT_THAT(subjects({.project = 7}), IsEmpty());
  EXPECT_THAT(subjects({.project = 2, .limit = 1}), ElementsAre("of2"));
}

TEST_P(AuditLogTest, IsReadByTimeAlsoAfterTheClockWasSetBack) {
  ASSERT_TRUE(add(2 * kHour, {"two"}));
  ASSERT_TRUE(add(2 * kHour + 7, {"past two"}));
  ASSERT_TRUE(add(5 * kHour - 1, {"before five"}));
  ASSERT_TRUE(add(2 * kHour + 3, {"two again"}));
  ASSERT_TRUE(add(9 * kHour, {"nine"}));
  EXPECT_THAT(subjects({.from_ms = 2 * kHour + 1}),
              ElementsAre("past two", "before five", "two again", "nine"));
  EXPECT_THAT(subjects({.from_ms = 2 * kHour, .until_ms = 2 * kHour + 7}), ElementsAre("two", "two again"));
  EXPECT_THAT(subjects({.until_ms = 5 * kHour}), ElementsAre("two", "past two", "before five", "two again"));
  EXPECT_THAT(subjects({.from_ms = 5 * kHour - 1, .until_ms = 5 * kHour}), ElementsAre("before five"));
  EXPECT_THAT(subjects({.from_ms = 5 * kHour, .until_ms = 9 * kHour}), IsEmpty());
  EXPECT_THAT(subjects({.after = 2, .from_ms = kHour, .until_ms = 3 * kHour}), ElementsAre("two again"));
  EXPECT_THAT(subjects({.from_ms = 2 * kHour, .until_ms = 3 * kHour, .limit = 2}),
              ElementsAre("two", "past two"));
  EXPECT_THAT(subjects({.from_ms = 10 * kHour}), IsEmpty());
}

TEST_P(AuditLogTest, AnswersOfLargeEntriesAreShortButNeverEmpty) {
  AuditEntry large = make_entry("large", 5);
  large.instances.assign(150'000, std::string(32, 'p'));  // 5 MB
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(add_audit(store(), {large}));
  std::vector<std::int64_t> seqs;
  for (std::int64_t after = 0;;) {
    const auto page = read_audit(store(), {.after = after, .from_ms = 1}).value();
    if (page.empty()) break;
    ASSERT_EQ(page.size(), 1u);
    EXPECT_EQ(page[0].instances.size(), 150'000u);
    seqs.push_back(after = page[0].seq);
  }
  EXPECT_THAT(seqs, ElementsAre(1, 2, 3));
}

TEST_P(AuditLogTest, WholeHoursGoWhenTheyAreOld) {
  ASSERT_TRUE(add(2 * kHour, {"two", "two"}));
  ASSERT_TRUE(add(3 * kHour, {"three"}));
  ASSERT_TRUE(add(9 * kHour, {"a wrong clock"}));
  ASSERT_TRUE(add(3 * kHour, {"three"}));
  ASSERT_TRUE(add(4 * kHour, {"four"}));
  EXPECT_EQ(delete_all(0), 0u);
  EXPECT_EQ(delete_all(3 * kHour - 1), 0u);
  EXPECT_EQ(delete_all(3 * kHour), 2u);
  EXPECT_THAT(subjects(), ElementsAre("three", "a wrong clock", "three", "four"));
  EXPECT_EQ(delete_all(5 * kHour - 1), 2u);
  EXPECT_THAT(subjects(), ElementsAre("a wrong clock", "four"));
  EXPECT_EQ(delete_all(5 * kHour), 1u);
  EXPECT_EQ(delete_all(5 * kHour), 0u);
  // The hour that was the last one is begun anew.
  ASSERT_TRUE(add(4 * kHour, {"late"}));
  EXPECT_THAT(subjects({.from_ms = 4 * kHour, .until_ms = 5 * kHour}), ElementsAre("late"));
  EXPECT_THAT(subjects({.from_ms = 9 * kHour}), ElementsAre("a wrong clock"));
  EXPECT_EQ(delete_all(100 * kHour), 2u);
  EXPECT_THAT(subjects(), IsEmpty());
}

TEST_P(AuditLogTest, ManyEntriesGoInSteps) {
  std::vector<AuditEntry> many(12'000, make_entry("a", 5));
  many.resize(12'500, make_entry("b", kHour));
  ASSERT_TRUE(add_audit(store(), std::move(many)));
  const Retention retention{.audit_before_ms = 2 * kHour};
  EXPECT_EQ(delete_old(store(), retention).value(), 5'000u);
  EXPECT_EQ(read_audit(store(), {.limit = 1})->at(0).seq, 5'001);
  EXPECT_EQ(read_audit(store(), {.from_ms = 1, .until_ms = kHour, .limit = 100'000})->size(), 7'000u);
  reopen();
  EXPECT_EQ(delete_old(store(), retention).value(), 5'000u);
  EXPECT_EQ(delete_old(store(), retention).value(), 2'500u);
  EXPECT_EQ(delete_old(store(), retention).value(), 0u);
}

TEST_P(AuditLogTest, LargeEntriesGoInSmallerSteps) {
  AuditEntry large = make_entry("large", 5);
  large.instances.assign(200'000, std::string(32, 'p'));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(add_audit(store(), {large}));
  EXPECT_EQ(delete_old(store(), {.audit_before_ms = kHour}).value(), 3u);
  EXPECT_EQ(delete_old(store(), {.audit_before_ms = kHour}).value(), 1u);
}

// One call after the other until 0 deletes both.
TEST_P(AuditLogTest, TasksAndEntriesGoByTheSameCalls) {
  ASSERT_TRUE(write(store(), whole(make_task(1, 3), 5)));
  ASSERT_TRUE(add(5, {"a", "b"}));
  const Retention retention{.finished_before_ms = 10, .audit_before_ms = kHour};
  std::uint64_t sum = 0;
  while (const auto deleted = delete_old(store(), retention).value()) sum += deleted;
  EXPECT_EQ(sum, 5u);
  EXPECT_THAT(subjects(), IsEmpty());
  EXPECT_THAT(list_tasks(store(), 1).value(), IsEmpty());
}

// What was begun in a commit that failed is begun again.
TEST_P(AuditLogTest, AnHourWhoseCommitFailedIsNotForgotten) {
  ASSERT_TRUE(write(store(), accept(make_task(1, 1))));
  WriteBatch batch = accept(make_task(2, 1));
  batch.audit = {make_entry("refused", 7 * kHour)};
  batch.ended.push_back({{1, 0}, success()});
  batch.ended.push_back({{1, 0}, success()});  // twice
  EXPECT_FALSE(write(store(), batch));
  ASSERT_TRUE(add(7 * kHour, {"seven"}));
  EXPECT_THAT(subjects({.from_ms = 7 * kHour}), ElementsAre("seven"));
}

ON_EVERY_ENGINE(AuditLogTest);

}  // namespace
}  // namespace drover::store
