#include "store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <future>
#include <mutex>
#include <utility>

#include "base/sync_folder.h"
#include "store/errc.h"
#include "store/file_lock.h"
#include "store/metrics.h"
#include "store/sqlite/database.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/writer.h"

namespace drover::store {
namespace {

using sqlite::Database;
using sqlite::Reader;
using sqlite::ReadTables;
using sqlite::Write;
using sqlite::Writer;
using sqlite::WriteSize;
using sqlite::WriteTables;

// A batch of changes to tasks.
class TaskWrite final : public Write {
 public:
  TaskWrite(WriteBatch batch, Store::WriteDone done) : batch_(std::move(batch)), done_(std::move(done)) {}

  WriteSize size() const override {
    WriteSize size{batch_.accepted.size() + batch_.begun.size() + batch_.unbegun.size() +
                       batch_.ended.size() + batch_.finished.size() + batch_.audit.size(),
                   0};
    for (const Task& task : batch_.accepted) size.bytes += task.command.size();
    for (const auto& [job, outcome, id] : batch_.ended)
      size.bytes += outcome.out.bytes.size() + outcome.err.bytes.size();
    for (const AuditEntry& entry : batch_.audit) {
      for (const std::string& id : entry.instances) size.bytes += id.size();
    }
    return size;
  }

  Result<> apply(WriteTables& tables) override {
    allowed_ = sqlite::TaskWrites::check(batch_);
    return allowed_ ? tables.tasks.apply(batch_, tables.audit) : Result<>();
  }

  void finish(const Result<>& committed) override {
    done_(committed ? allowed_ : committed, std::move(batch_));
  }

 private:
  WriteBatch batch_;
  Store::WriteDone done_;
  Result<> allowed_;
};

// A change with an answer of its own.
template <typename T, typename Change>
class AnsweredWrite final : public Write {
 public:
  AnsweredWrite(std::size_t rows, Change change, Done<T> done)
      : rows_(rows), change_(std::move(change)), done_(std::move(done)) {}

  WriteSize size() const override { return {rows_, 0}; }

  Result<> apply(WriteTables& tables) override {
    answer_ = change_(tables);
    if (answer_ || answer_.error().code == Errc::kExists || answer_.error().code == Errc::kNotFound)
      return {};
    return tl::make_unexpected(answer_.error());
  }

  void finish(const Result<>& committed) override {
    if (!committed) answer_ = tl::make_unexpected(committed.error());
    done_(std::move(answer_));
  }

 private:
  std::size_t rows_;
  Change change_;
  Done<T> done_;
  Result<T> answer_;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(FileLock lock, std::unique_ptr<Writer> writer, std::unique_ptr<Reader> reader)
      : lock_(std::move(lock)), writer_(std::move(writer)), reader_(std::move(reader)) {}
  ~SqliteStore() override { close(); }

  void write(WriteBatch batch, WriteDone done) override {
    writer_->submit(std::make_unique<TaskWrite>(std::move(batch), std::move(done)));
  }

  void read_task(const Id& id, Done<std::optional<TaskRecord>> done) override {
    read(std::move(done), [id](ReadTables& tables) { return tables.tasks.task(id); });
  }

  void read_job(const Id& job, Done<std::optional<JobOutcome>> done) override {
    read(std::move(done), [job](ReadTables& tables) { return tables.tasks.job(job); });
  }

  void list_tasks(std::int64_t project, std::int64_t before, std::uint32_t limit,
                  Done<std::vector<TaskSummary>> done) override {
    read(std::move(done), [=](ReadTables& tables) { return tables.tasks.list(project, before, limit); });
  }

  void delete_old(const Retention& retention, Done<std::uint64_t> done) override {
    submit(sqlite::TaskWrites::kStepJobs, std::move(done), [retention](WriteTables& tables) {
      auto jobs = tables.tasks.delete_old(retention);
      return jobs && *jobs == 0 ? tables.audit.delete_old(retention.audit_before_ms) : jobs;
    });
  }

  void add_project(Project project, Done<Project> done) override {
    submit(1, std::move(done), [project = std::move(project)](WriteTables& tables) {
      return tables.identities.add_project(project);
    });
  }

  void add_user(User user, std::vector<Grant> grants, Done<User> done) override {
    const std::size_t rows = 1 + grants.size();
    submit(rows, std::move(done), [user = std::move(user), grants = std::move(grants)](WriteTables& tables) {
      return tables.identities.add_user(user, grants);
    });
  }

  void change_identity(IdentityChange change, Done<> done) override {
    submit(1, std::move(done), [change = std::move(change)](WriteTables& tables) {
      return std::visit([&tables](const auto& one) { return tables.identities.apply(one); }, change);
    });
  }

  void put_instances(std::vector<Instance> instances, Done<std::vector<Instance>> done) override {
    const std::size_t rows = instances.size();
    submit(rows, std::move(done), [instances = std::move(instances)](WriteTables& tables) {
      return tables.instances.put(instances);
    });
  }

  void remove_instance(std::int64_t seq, Done<> done) override {
    submit(1, std::move(done), [seq](WriteTables& tables) { return tables.instances.remove(seq); });
  }

  void add_audit(std::vector<AuditEntry> entries, Done<> done) override {
    WriteBatch batch;
    batch.audit = std::move(entries);
    write(std::move(batch),
          [done = std::move(done)](Result<> stored, const WriteBatch&) { done(std::move(stored)); });
  }

  void read_audit(const AuditQuery& query, Done<std::vector<AuditEntry>> done) override {
    read(std::move(done), [query](ReadTables& tables) { return tables.audit.read(query); });
  }

  Result<IdentityRows> identity_rows() override {
    return read_now([](ReadTables& tables) { return sqlite::read_identities(tables.db); });
  }

  Result<std::vector<Instance>> instances() override {
    return read_now([](ReadTables& tables) { return sqlite::read_instances(tables.db); });
  }

  Result<Recovery> recover() override {
    return read_now([](ReadTables& tables) { return tables.tasks.recover(); });
  }

  void close() override {
    reader_->close();
    writer_->close();  // last, because the last connection brings the log back into the file
    const std::lock_guard lock(close_mutex_);
    lock_.release();
  }

 private:
  template <typename T, typename Change>
  void submit(std::size_t rows, Done<T> done, Change change) {
    writer_->submit(std::make_unique<AnsweredWrite<T, Change>>(rows, std::move(change), std::move(done)));
  }

  template <typename T, typename Query>
  void read(Done<T> done, Query query) {
    reader_->submit([done = std::move(done), query = std::move(query)](Result<ReadTables*> tables) {
      if (tables) {
        done(query(**tables));
      } else {
        done(tl::make_unexpected(std::move(tables.error())));
      }
    });
  }

  template <typename Query>
  std::invoke_result_t<Query, ReadTables&> read_now(Query query) {
    using Answer = std::invoke_result_t<Query, ReadTables&>;
    const auto promise = std::make_shared<std::promise<Answer>>();
    auto answer = promise->get_future();
    read(Done<typename Answer::value_type>([promise](Answer got) { promise->set_value(std::move(got)); }),
         std::move(query));
    return answer.get();
  }

  std::mutex close_mutex_;
  FileLock lock_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;
};

Failure system_failure(const std::string& path) {
  return failure(Errc::kUnavailable, path + ": " + std::generic_category().message(errno));
}

// A new database appears whole, so that an empty file in its place is known for what it is: a loss.
Result<> make_database(const std::string& path) {
  const std::string fresh = path + ".new";
  for (const char* left : {"", "-journal"}) ::unlink((fresh + left).c_str());
  // SQLite gives its other files the mode of this one.
  const int fd = ::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return system_failure(fresh);
  ::close(fd);
  {
    auto db = Database::open(fresh);
    if (!db) return tl::make_unexpected(std::move(db.error()));
    if (auto done = sqlite::migrate(*db, sqlite::migrations()); !done) return done;
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0 || !sync_folder_of(path)) return system_failure(path);
  return {};
}

// Whether there is something that can be a database. If there is nothing at all, makes one.
Result<> check_file(const std::string& path) {
  struct stat status {};
  // Not through a link: the lock would be beside that, and another server could use the file itself.
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode)) return failure(Errc::kCorrupt, "it is not a regular file");
    // SQLite would take it for a new one.
    if (status.st_size < sqlite::kSmallestFile)
      return failure(Errc::kCorrupt, "it is cut off: " + std::to_string(status.st_size) + " bytes");
    return {};
  }
  if (errno != ENOENT) return system_failure(path);
  // A log that is left would be played into the new one.
  if (::stat((path + "-wal").c_str(), &status) == 0 && status.st_size > 0)
    return failure(Errc::kCorrupt, "it is gone, and its log " + path + "-wal is there");
  return make_database(path);
}

template <typename Prepare>
Result<std::unique_ptr<Database>> open_connection(const std::string& path, Prepare prepare) {
  auto opened = Database::open(path);
  if (!opened) return tl::make_unexpected(std::move(opened.error()));
  auto db = std::make_unique<Database>(std::move(*opened));
  if (auto done = prepare(*db); !done) return tl::make_unexpected(std::move(done.error()));
  return db;
}

Result<std::unique_ptr<Store>> open_files(const std::string& path, prometheus::Registry& registry) {
  auto lock = FileLock::take(path + ".lock");
  if (!lock) return tl::make_unexpected(std::move(lock.error()));
  if (auto made = check_file(path); !made) return tl::make_unexpected(std::move(made.error()));

  auto write_db = open_connection(path, [](Database& db) {
    return sqlite::migrate(db, sqlite::migrations()).and_then([&] { return sqlite::configure_writer(db); });
  });
  if (!write_db) return tl::make_unexpected(std::move(write_db.error()));
  auto read_db = open_connection(path, sqlite::configure_reader);
  if (!read_db) return tl::make_unexpected(std::move(read_db.error()));

  auto log_db = open_connection(path, sqlite::configure_checkpointer);
  if (!log_db) return tl::make_unexpected(std::move(log_db.error()));

  auto writer =
      Writer::start(std::move(*write_db), sqlite::Checkpointer::start(std::move(*log_db)), Metrics(registry));
  if (!writer) return tl::make_unexpected(std::move(writer.error()));
  auto reader = Reader::start(std::move(*read_db));
  if (!reader) return tl::make_unexpected(std::move(reader.error()));
  return std::make_unique<SqliteStore>(std::move(*lock), std::move(*writer), std::move(*reader));
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite(const SqliteOptions& options, prometheus::Registry& registry) {
  auto store = open_files(options.path, registry);
  // People need to know which file.
  if (!store) store.error().message += "; database " + options.path;
  return store;
}

}  // namespace drover::store
