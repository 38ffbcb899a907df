// The one thread that writes: takes whatever is queued, commits it together, and then tells who waits.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "store/metrics.h"
#include "store/sqlite/audit_log.h"
#include "store/sqlite/checkpointer.h"
#include "store/sqlite/database.h"
#include "store/sqlite/identities.h"
#include "store/sqlite/instances.h"
#include "store/sqlite/task_writes.h"

namespace drover::store::sqlite {

struct WriteTables {
  TaskWrites tasks;
  AuditWrites audit;
  IdentityWrites identities;
  InstanceWrites instances;
};

struct WriteSize {
  std::size_t rows = 0;
  std::size_t bytes = 0;  // of what is large: output and commands
};

// One queued write, all or none.
class Write {
 public:
  virtual ~Write() = default;

  virtual WriteSize size() const = 0;

  // On failure the transaction is rolled back, with everything else in it; may then be called again. A write
  // that is refused for its own sake, having changed nothing, keeps the reason for finish() and returns no
  // failure.
  virtual Result<> apply(WriteTables& tables) = 0;

  // Calls who waits, once. `committed`: durable, or why not.
  virtual void finish(const Result<>& committed) = 0;
};

class Writer {
 public:
  // A transaction takes in no further write when it has this much, so that nobody waits for a giant's commit.
  static constexpr std::size_t kMaxRows = 20'000;
  static constexpr std::size_t kMaxBytes = 16'777'216;

  static Result<std::unique_ptr<Writer>> start(std::unique_ptr<Database> db,
                                               std::unique_ptr<Checkpointer> checkpointer,
                                               const Metrics& metrics);
  ~Writer();

  // Any thread. After close() it fails with kClosed, on the caller's thread.
  void submit(std::unique_ptr<Write> write);

  // Commits what is queued, ends the thread and closes the database. Idempotent; not from a callback.
  void close();

 private:
  using Group = std::span<const std::unique_ptr<Write>>;

  // What the thread owns while it runs.
  struct Connection {
    std::unique_ptr<Database> db;
    WriteTables tables;
    Statement begin;
    Statement commit;
    Statement add_nothing;     // a row that belongs to no task,
    Statement remove_nothing;  // and its end: a commit of both reaches the disk and changes nothing
    std::unique_ptr<Checkpointer> checkpointer;
  };

  Writer(Connection connection, const Metrics& metrics);
  void run();
  bool take(std::vector<std::unique_ptr<Write>>& writes);
  static std::size_t group_size(Group writes);
  void commit(Group group);
  void report(const Result<>& committed);
  Result<> try_commit(Group group);
  Result<> transact(Group group, bool touch);
  Result<> apply_all(Group group);
  Result<> touch_disk();
  void undo(const Result<>& failed);

  std::optional<Connection> connection_;
  Metrics metrics_;
  bool failing_ = false;  // the thread only: the last commit failed for want of a disk

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Write>> queued_;  // guarded by mutex_
  bool idle_ = false;                           // likewise: the thread waits for wake_
  bool closed_ = false;                         // likewise

  std::mutex close_mutex_;
  std::thread thread_;
};

}  // namespace drover::store::sqlite
