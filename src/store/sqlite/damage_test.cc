// Files that something else has written into: the store says so, or works, and never makes anything up.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "store/sqlite/database.h"
#include "store/sqlite/store_fixture.h"

namespace drover::store {
namespace {

using testing::HasSubstr;

constexpr std::size_t kPage = 4'096;

class DamageTest : public SqliteTest {
 protected:
  void SetUp() override {}

  // Finished and open tasks, enough for several pages of each table and index.
  void fill() {
    open();
    for (int i = 0; i < 100; ++i)
      ASSERT_TRUE(add_project(store(), "project-with-a-long-name-" + std::to_string(i)));
    std::vector<Instance> instances;
    for (int i = 0; i < 300; ++i)
      instances.push_back(
          {.project = 1, .id = "phone-" + std::to_string(i), .address = "adb://192.0.2.1:5555"});
    ASSERT_TRUE(put_instances(store(), instances));
    add_identities();
    std::vector<AuditEntry> entries;
    for (int i = 0; i < 300; ++i) entries.push_back(make_entry("task", 1'700'000'000'000 + i * 1'000'000));
    ASSERT_TRUE(add_audit(store(), std::move(entries)));
    WriteBatch many;
    for (std::int64_t seq = 1; seq <= 700; ++seq) {
      tasks_.push_back(make_task(seq, 2));
      WriteBatch one = seq <= 400 ? whole(tasks_.back(), seq) : accept(tasks_.back());
      many.accepted.push_back(std::move(one.accepted[0]));
      for (auto& ended : one.ended) many.ended.push_back(std::move(ended));
      for (const auto& finished : one.finished) many.finished.push_back(finished);
      if (seq > 400) many.begun.push_back({{seq, 0}, 1});
    }
    ASSERT_TRUE(write(store(), std::move(many)));
    ASSERT_TRUE(write(store(), whole(make_task(800, 3), 9, std::string(20'000, 'x'))));
    store_.reset();
    std::ifstream file(path(), std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }

  void add_identities() {
    for (int i = 0; i < 100; ++i) {
      const std::string name = "name-" + std::to_string(i);
      ASSERT_TRUE(change_identity(store(), change::AddToken{make_token(name)}));
      ASSERT_TRUE(add_user(store(), name, {{.user = 0, .project = 1, .policy = name}}));
      ASSERT_TRUE(change_identity(store(), change::PutPolicy{{name, "{}", 1}}));
      ASSERT_TRUE(change_identity(store(), change::AddKey{make_key(name, 1)}));
      ASSERT_TRUE(
          change_identity(store(), change::Revoke{{std::string(16, static_cast<char>(i)), 9'000}, 1}));
    }
  }

  void put(const std::string& bytes) const {
    std::filesystem::remove(path() + "-wal");
    std::filesystem::remove(path() + "-shm");
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
  }

  std::size_t root_page(const std::string& name) {
    auto db = sqlite::Database::open(path()).value();
    return static_cast<std::size_t>(
        db.integer("SELECT rootpage FROM sqlite_schema WHERE name = '" + name + "'").value());
  }

  // The failure of what a start does, or none.
  Result<> start() {
    auto opened = open_sqlite({path()}, registry_);
    if (!opened) return Failure(opened.error());
    if (const auto got = (*opened)->identity_rows(); !got) return Failure(got.error());
    if (const auto got = (*opened)->instances(); !got) return Failure(got.error());
    if (const auto got = (*opened)->recover(); !got) return Failure(got.error());
    return {};
  }

  static bool is_damage(const Error& error) {
    return error.code == Errc::kCorrupt || error.code == Errc::kUnavailable || error.code == Errc::kTooNew;
  }

  // Asks for everything. What is given is what was stored.
  void read_everything() {
    auto opened = open_sqlite({path()}, registry_);
    if (!opened) {
      EXPECT_TRUE(is_damage(opened.error())) << opened.error().message;
      return;
    }
    Store& damaged = **opened;
    const auto fine = [](const auto& result) {
      EXPECT_TRUE(result || is_damage(result.error())) << (result ? "" : result.error().message);
      return result.has_value();
    };
    fine(damaged.identity_rows());
    fine(damaged.instances());
    if (const auto recovery = damaged.recover(); fine(recovery)) {
      for (const TaskRecord& record : recovery->open) expect_as_stored(record);
    }
    for (std::size_t i = 0; i < tasks_.size(); i += 7) {
      if (const auto task = read_task(damaged, tasks_[i].id); fine(task)) {
        ASSERT_TRUE(*task) << "what was accepted is said not to be there";
        expect_as_stored(**task);
      }
      if (const auto job = read_job(damaged, tasks_[i].id.job(0)); fine(job)) {
        ASSERT_EQ(job->has_value(), tasks_[i].seq <= 400) << "an end is made up, or kept back";
        if (*job) {
          EXPECT_EQ((*job)->out.bytes, "ok\n");
        }
      }
    }
    fine(list_tasks(damaged, 1, 0, 10'000));
    fine(read_audit(damaged));
    // Writes may fail in any way that is told.
    (void)write(damaged, whole(make_task(5'000, 1), 5));
    (void)add_audit(damaged, {make_entry("task")});
    (void)delete_old(damaged, {.finished_before_ms = 300, .audit_before_ms = 1'700'100'000'000});
  }

  void expect_as_stored(const TaskRecord& record) const {
    ASSERT_LE(record.task.seq, 800);
    if (record.task.seq > 700) return;
    const Task& stored = tasks_[static_cast<std::size_t>(record.task.seq - 1)];
    EXPECT_EQ(record.task.id, stored.id);
    EXPECT_EQ(record.task.command, stored.command);
    EXPECT_EQ(record.task.targets, stored.targets);
  }

  std::vector<Task> tasks_;
  std::string bytes_;
};

TEST_F(DamageTest, WhatAStartReadsStopsIt) {
  fill();
  for (const char* name : {"project", "token", "user", "role_grant", "policy", "access_key", "revocation",
                           "instance", "task", "unfinished", "finished", "begun", "result", "deleted"}) {
    put(bytes_);
    const std::size_t page = root_page(name);
    for (const char with : {'\0', '\x5a'}) {
      std::string bytes = bytes_;
      bytes.replace((page - 1) * kPage, kPage, kPage, with);
      put(bytes);
      const auto started = start();
      ASSERT_FALSE(started) << name;
      EXPECT_EQ(started.error().code, Errc::kCorrupt) << name << ": " << started.error().message;
    }
  }
}

TEST_F(DamageTest, WhatIsNoDatabaseStopsTheStart) {
  fill();
  std::string noise = bytes_;
  noise.replace(0, 100, 100, '#');
  std::string other = bytes_;
  other[68] = 'X';  // the application id
  std::string truncated = bytes_.substr(0, bytes_.size() / 2);
  std::string half_a_page = bytes_.substr(0, 2'000);
  // SQLite takes what is shorter than its smallest page for a new database.
  std::string header = bytes_.substr(0, 100);
  std::string byte = bytes_.substr(0, 1);
  for (const std::string* bytes : {&noise, &other, &truncated, &half_a_page, &header, &byte}) {
    put(*bytes);
    const auto started = start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::kCorrupt) << started.error().message;
    EXPECT_THAT(started.error().message, HasSubstr(path()));
  }
  put("");
  EXPECT_EQ(start().error().code, Errc::kCorrupt) << "what was there is lost: that is no new database";
  std::filesystem::remove(path());
  std::filesystem::create_symlink("elsewhere.db", path());  // on a disk that is not mounted, perhaps
  EXPECT_EQ(start().error().code, Errc::kCorrupt);
  std::filesystem::remove(path());
  std::filesystem::create_directory(path());
  EXPECT_EQ(start().error().code, Errc::kCorrupt);
}

// Pages that are in order, with rows that no store writes.
TEST_F(DamageTest, RowsThatCannotBeAreNotPassedOn) {
  fill();
  const auto change = [this](const char* sql) {
    put(bytes_);
    ASSERT_TRUE(sqlite::Database::open(path()).value().run(sql)) << sql;
  };
  for (const char* sql :
       {"UPDATE task SET jobs = 3", "UPDATE task SET jobs = -1", "UPDATE task SET created_ms = -5",
        "UPDATE task SET id = substr(id, 2)", "UPDATE deleted SET last_task = 1 << 62"}) {
    change(sql);
    const auto started = start();
    ASSERT_FALSE(started) << sql;
    EXPECT_EQ(started.error().code, Errc::kCorrupt) << sql;
  }
  for (const char* sql :
       {"UPDATE result SET state = 1 WHERE job >> 20 = 7", "UPDATE result SET error = 99 WHERE job >> 20 = 7",
        "UPDATE result SET ended_ms = 1 << 60 WHERE job >> 20 = 7",
        "DELETE FROM result WHERE job = 7 << 20"}) {
    change(sql);
    auto store = open_sqlite({path()}, registry_).value();
    const auto record = read_task(*store, tasks_[6].id);
    ASSERT_FALSE(record) << sql;
    EXPECT_EQ(record.error().code, Errc::kCorrupt) << sql;
    EXPECT_TRUE(read_task(*store, tasks_[7].id)) << sql;
  }
}

TEST_F(DamageTest, LogWithoutItsDatabaseIsNotPlayedIntoANewOne) {
  fill();
  std::filesystem::remove(path());
  std::ofstream(path() + "-wal") << "frames";
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("-wal"));
}

TEST_F(DamageTest, GarbageInTheLogIsDropped) {
  fill();
  put(bytes_);
  std::ofstream(path() + "-wal", std::ios::binary) << std::string(50'000, '\x37');
  EXPECT_TRUE(start());
  EXPECT_EQ(read_task(*open_sqlite({path()}, registry_).value(), tasks_[0].id).value()->task.command,
            tasks_[0].command);
}

// Pages are overwritten whole, with noise or with nothing.
TEST_F(DamageTest, ScrambledPagesAreToldOrDoNotMatter) {
  fill();
  const std::size_t pages = bytes_.size() / kPage;
  for (unsigned seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string bytes = bytes_;
    const std::size_t many = 1 + random() % 4;
    for (std::size_t i = 0; i < many; ++i) {
      const std::size_t page = 1 + random() % (pages - 1);
      std::string content(kPage, '\0');
      if (seed % 2 == 1) std::ranges::generate(content, [&random] { return static_cast<char>(random()); });
      bytes.replace(page * kPage, kPage, content);
    }
    put(bytes);
    read_everything();
  }
}

// A page in another's place, or single bytes, may look like rows: what is then read is bounded, and nothing
// breaks.
TEST_F(DamageTest, BytesThatLookLikeRowsBreakNothing) {
  fill();
  const std::size_t pages = bytes_.size() / kPage;
  for (unsigned seed = 0; seed < 120; ++seed) {
    std::mt19937 random(seed);
    std::string bytes = bytes_;
    if (seed % 2 == 0) {
      bytes.replace((1 + random() % (pages - 1)) * kPage, kPage,
                    bytes_.substr(random() % pages * kPage, kPage));
    } else {
      for (int i = 0; i < 300; ++i)
        bytes[100 + random() % (bytes.size() - 100)] = static_cast<char>(random());
    }
    put(bytes);
    auto opened = open_sqlite({path()}, registry_);
    if (!opened) continue;
    (void)(*opened)->identity_rows();
    (void)(*opened)->instances();
    (void)(*opened)->recover();
    for (std::size_t i = 0; i < tasks_.size(); i += 7) {
      (void)read_task(**opened, tasks_[i].id);
      (void)read_job(**opened, tasks_[i].id.job(0));
    }
    (void)list_tasks(**opened, 1, 0, 10'000);
    (void)read_audit(**opened);
    (void)read_audit(**opened, {.after = 7, .project = 1, .from_ms = 1'700'000'100'000});
    (void)write(**opened, whole(make_task(5'000, 1), 5));
    (void)add_audit(**opened, {make_entry("task")});
    (void)delete_old(**opened, {.finished_before_ms = 300, .audit_before_ms = 1'700'100'000'000});
  }
}

}  // namespace
}  // namespace drover::store
