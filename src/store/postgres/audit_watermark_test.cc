// Several nodes enter things in the audit log at the same time, and it is read meanwhile.
#include "store/postgres/audit_watermark.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <optional>
#include <thread>

#include "store/postgres/postgres_store.h"
#include "store/postgres/testing/held_commits.h"
#include "store/postgres/testing/nodes.h"
#include "store/postgres/testing/server.h"
#include "store/testing/store_calls.h"

namespace drover::store::postgres {
namespace {

using testing::Contains;
using testing::ElementsAre;

class AuditWatermarkTest : public testing::Test {
 protected:
  std::unique_ptr<Store> open(const std::string& name) {
    auto opened = open_postgres(nodes_.make(conninfo(), name), clock_,
                                *registries_.emplace_back(std::make_unique<prometheus::Registry>()));
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }
  std::string conninfo() const { return server_.conninfo(database_); }
  std::string sql(const std::string& text) const { return server_.execute(database_, text); }

  static std::vector<std::string> subjects(const Result<std::vector<AuditEntry>>& entries) {
    EXPECT_TRUE(entries) << entries.error().message;
    std::vector<std::string> all;
    if (!entries) return all;
    for (const AuditEntry& entry : *entries) all.push_back(entry.subject);
    return all;
  }
  // The first node has drawn a number and does not get on; then the second enters something.
  std::future<Result<>> overtake() {
    held_.emplace(conninfo(), "drover.audit", "NEW.subject = 'first'");
    auto stored = std::make_shared<std::promise<Result<>>>();
    one_->add_audit({make_entry("first")},
                    [stored](Result<> result) { stored->set_value(std::move(result)); });
    while (sql("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = 1") !=
           "1")
      std::this_thread::sleep_for(Millis(5));
    EXPECT_TRUE(add_audit(*two_, {make_entry("second")}));
    return stored->get_future();
  }

  TestServer& server_ = TestServer::shared();
  std::string database_ = server_.create_database();
  Nodes nodes_;
  Clock clock_;
  std::vector<std::unique_ptr<prometheus::Registry>> registries_;
  std::unique_ptr<Store> one_ = open("one");
  std::unique_ptr<Store> two_ = open("two");
  std::optional<HeldCommits> held_;
};

TEST_F(AuditWatermarkTest, NothingIsPassedThatIsStillToCome) {
  ASSERT_TRUE(add_audit(*one_, {make_entry("before")}));
  auto stored = overtake();
  const auto page = read_audit(*two_);
  ASSERT_THAT(subjects(page), ElementsAre("before"));
  held_->release();
  ASSERT_TRUE(stored.get());
  EXPECT_THAT(subjects(read_audit(*two_, {.after = page->back().seq})), ElementsAre("first", "second"));
}

TEST_F(AuditWatermarkTest, AReaderWaitsForWhatIsUnderWay) {
  auto stored = overtake();
  std::promise<Result<std::vector<AuditEntry>>> read;
  two_->read_audit({}, [&](Result<std::vector<AuditEntry>> entries) { read.set_value(std::move(entries)); });
  std::this_thread::sleep_for(Millis(50));
  held_->release();
  EXPECT_THAT(subjects(read.get_future().get()), ElementsAre("first", "second"));
  EXPECT_TRUE(stored.get());
}

TEST_F(AuditWatermarkTest, WhatIsRolledBackHoldsNobodyUp) {
  auto stored = overtake();
  sql("SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
      " AND objid = 1");
  // Sent again, it is held again, with a number that comes later.
  EXPECT_THAT(subjects(read_audit(*two_)), ElementsAre("second"));
  held_->release();
  ASSERT_TRUE(stored.get());
  EXPECT_THAT(subjects(read_audit(*two_)), ElementsAre("second", "first"));
}

TEST_F(AuditWatermarkTest, OtherTransactionsHoldNobodyUp) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> other(PQconnectdb(conninfo().c_str()), PQfinish);
  for (const char* text :
       {"BEGIN ISOLATION LEVEL REPEATABLE READ", "CREATE TABLE theirs()", "SELECT pg_advisory_lock(7, 7)",
        "SELECT pg_advisory_lock(-1)", "SELECT count(*) FROM drover.audit"})
    PQclear(PQexec(other.get(), text));
  ASSERT_EQ(PQtransactionStatus(other.get()), PQTRANS_INTRANS);
  ASSERT_TRUE(add_audit(*one_, {make_entry("first")}));
  EXPECT_THAT(subjects(read_audit(*two_)), ElementsAre("first"));
}

TEST_F(AuditWatermarkTest, WhoFollowsGetsEachEntryOnceAndSeesHisOwnAtOnce) {
  constexpr int kEach = 300;
  std::atomic<int> writing = 2;
  const auto enter = [&](Store& store, const std::string& name) {
    std::int64_t after = 0;
    for (int i = 0; i < kEach; ++i) {
      const std::string subject = name + std::to_string(i);
      EXPECT_TRUE(add_audit(store, {make_entry(subject)}));
      const auto entries = read_audit(store, {.after = after});
      EXPECT_THAT(subjects(entries), Contains(subject));
      if (entries && !entries->empty()) after = entries->back().seq;
    }
    --writing;
  };
  std::thread first([&] { enter(*one_, "a"); });
  std::thread second([&] { enter(*two_, "b"); });
  const auto reader = open("three");
  std::vector<std::string> read;
  std::int64_t after = 0;
  for (bool last = false; !last;) {
    last = writing == 0;
    const auto entries = read_audit(*reader, {.after = after});
    for (std::string& subject : subjects(entries)) read.push_back(std::move(subject));
    if (entries && !entries->empty()) after = entries->back().seq;
  }
  first.join();
  second.join();
  std::ranges::sort(read);
  EXPECT_EQ(read.size(), 2u * kEach);
  EXPECT_EQ(std::ranges::adjacent_find(read), read.end());
}

TEST_F(AuditWatermarkTest, WhoWaitsAtTheEndIsTold) {
  auto stored = overtake();
  std::promise<Result<std::vector<AuditEntry>>> read;
  two_->read_audit({}, [&](Result<std::vector<AuditEntry>> entries) { read.set_value(std::move(entries)); });
  std::this_thread::sleep_for(Millis(50));
  two_->close();
  const auto entries = read.get_future().get();
  EXPECT_TRUE(entries || entries.error().code == Errc::kClosed);
  held_->release();
  EXPECT_TRUE(stored.get());
}

}  // namespace
}  // namespace drover::store::postgres
