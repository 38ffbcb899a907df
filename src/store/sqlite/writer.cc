#include "store/sqlite/writer.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "store/errc.h"

namespace drover::store::sqlite {

Result<std::unique_ptr<Writer>> Writer::start(std::unique_ptr<Database> db,
                                              std::unique_ptr<Checkpointer> checkpointer,
                                              const Metrics& metrics) {
  auto tasks = TaskWrites::open(*db);
  if (!tasks) return tl::make_unexpected(std::move(tasks.error()));
  auto audit = AuditWrites::open(*db);
  if (!audit) return tl::make_unexpected(std::move(audit.error()));
  auto identities = IdentityWrites::open(*db);
  if (!identities) return tl::make_unexpected(std::move(identities.error()));
  auto instances = InstanceWrites::open(*db);
  if (!instances) return tl::make_unexpected(std::move(instances.error()));
  Connection connection{std::move(db),
                        {std::move(*tasks), std::move(*audit), std::move(*identities), std::move(*instances)},
                        {},
                        {},
                        {},
                        {},
                        std::move(checkpointer)};
  // IMMEDIATE: a transaction that could turn out to be unable to write would be of no use.
  auto prepared =
      connection.db->prepare({{&connection.begin, "BEGIN IMMEDIATE"},
                              {&connection.commit, "COMMIT"},
                              {&connection.add_nothing, "INSERT INTO unfinished VALUES(0)"},
                              {&connection.remove_nothing, "DELETE FROM unfinished WHERE task = 0"}});
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  std::unique_ptr<Writer> writer(new Writer(std::move(connection), metrics));
  writer->thread_ = std::thread([self = writer.get()] { self->run(); });
  pthread_setname_np(writer->thread_.native_handle(), "store-write");
  return writer;
}

Writer::Writer(Connection connection, const Metrics& metrics)
    : connection_(std::move(connection)), metrics_(metrics) {}

Writer::~Writer() { close(); }

void Writer::submit(std::unique_ptr<Write> write) {
  std::unique_lock lock(mutex_);
  if (closed_) {
    lock.unlock();
    return write->finish(failure(Errc::kClosed));
  }
  queued_.push_back(std::move(write));
  metrics_.queued_writes.Set(static_cast<double>(queued_.size()));
  const bool wake = std::exchange(idle_, false);
  lock.unlock();
  if (wake) wake_.notify_one();
}

void Writer::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_one();
  const std::lock_guard lock(close_mutex_);
  if (thread_.joinable()) thread_.join();
  connection_.reset();
}

void Writer::run() {
  std::vector<std::unique_ptr<Write>> writes;
  while (take(writes)) {
    for (Group rest = writes; !rest.empty();) {
      const std::size_t count = group_size(rest);
      commit(rest.first(count));
      rest = rest.subspan(count);
    }
    writes.clear();
  }
}

bool Writer::take(std::vector<std::unique_ptr<Write>>& writes) {
  std::unique_lock lock(mutex_);
  idle_ = queued_.empty();
  wake_.wait(lock, [this] { return !queued_.empty() || closed_; });
  idle_ = false;
  writes.swap(queued_);
  metrics_.queued_writes.Set(0);
  return !writes.empty();
}

std::size_t Writer::group_size(Group writes) {
  WriteSize sum;
  std::size_t count = 0;
  while (count < writes.size() && sum.rows < kMaxRows && sum.bytes < kMaxBytes) {
    const WriteSize size = writes[count++]->size();
    sum.rows += size.rows;
    sum.bytes += size.bytes;
  }
  return count;
}

void Writer::commit(Group group) {
  const auto committed = try_commit(group);
  // When what one wrote is at fault, the others are not to suffer for it.
  if (!committed && group.size() > 1 && committed.error().code == std::errc::invalid_argument) {
    for (std::size_t i = 0; i < group.size(); ++i) commit(group.subspan(i, 1));
    return;
  }
  report(committed);
  for (const auto& write : group) write->finish(committed);
  connection_->checkpointer->after_commit(*connection_->db, connection_->db->log_pages());
}

void Writer::report(const Result<>& committed) {
  // A full disk fails every commit until there is room: one line says so.
  if (!committed && !failing_) {
    const bool damaged = committed.error().code == Errc::kCorrupt;
    spdlog::error("store: nothing was stored: {}{}", committed.error().message,
                  damaged ? "; stop the server and run `drover doctor`" : "");
  }
  if (committed && failing_) spdlog::warn("store: writes are stored again");
  failing_ = !committed && committed.error().code != std::errc::invalid_argument;
}

Result<> Writer::try_commit(Group group) {
  Database& db = *connection_->db;
  const auto start = std::chrono::steady_clock::now();
  const std::int64_t rows_before = db.total_changes();
  const std::int64_t jobs_before = connection_->tables.tasks.stored_jobs();
  // A commit that has nothing to write says nothing about the disk: while it fails, each has something.
  auto committed = transact(group, failing_);
  if (!committed) {
    connection_->tables.tasks.set_stored_jobs(jobs_before);
    connection_->tables.audit.rolled_back();
    undo(committed);
    metrics_.failed_commits.Increment();
    return committed;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  metrics_.commit_seconds.Observe(took.count());
  metrics_.commit_rows.Observe(static_cast<double>(db.total_changes() - rows_before));
  return committed;
}

Result<> Writer::transact(Group group, bool touch) {
  auto done = connection_->begin.run();
  if (done && touch) done = touch_disk();
  if (done) done = apply_all(group);
  if (done) done = connection_->commit.run();
  // SQLite has rolled back by itself after some failures, such as a full disk.
  if (!done && connection_->db->in_transaction()) (void)connection_->db->run("ROLLBACK");
  return done;
}

void Writer::undo(const Result<>& failed) {
  if (failed.error().code == std::errc::invalid_argument) return;  // nothing of it has left for the disk
  (void)connection_->db->checkpoint();  // on a full disk the log can then start over instead of growing
  // When only the sync failed, the log holds the whole commit, and a process that died now would find it
  // there at its next start. Before anybody is told that it is not stored, another one is put in its place.
  (void)transact({}, true);
}

Result<> Writer::touch_disk() {
  return connection_->add_nothing.run().and_then([this] { return connection_->remove_nothing.run(); });
}

Result<> Writer::apply_all(Group group) {
  for (const auto& write : group) {
    if (auto done = write->apply(connection_->tables); !done) return done;
  }
  return {};
}

}  // namespace drover::store::sqlite
