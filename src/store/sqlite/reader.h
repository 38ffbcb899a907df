// The one thread that reads, on a connection of its own: reads wait for no commit.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "store/sqlite/audit_log.h"
#include "store/sqlite/database.h"
#include "store/sqlite/task_reads.h"

namespace drover::store::sqlite {

struct ReadTables {
  Database& db;
  TaskReads tasks;
  AuditReads audit;
};

class Reader {
 public:
  // Called once: with the tables inside a transaction that sees all that was committed before submit(), or
  // with why not.
  using Read = std::function<void(Result<ReadTables*>)>;

  static Result<std::unique_ptr<Reader>> start(std::unique_ptr<Database> db);
  ~Reader();

  // Any thread. After close() it fails with kClosed, on the caller's thread.
  void submit(Read read);

  // Does what is queued, ends the thread and closes the database. Idempotent; not from a callback.
  void close();

 private:
  // Reads that share a transaction. Few, because an old transaction keeps the WAL from starting over.
  static constexpr std::size_t kMaxReads = 64;

  // What the thread owns while it runs.
  struct Connection {
    std::unique_ptr<Database> db;
    ReadTables tables;
    Statement begin;
    Statement commit;
  };

  explicit Reader(Connection connection);
  void run();
  bool take(std::vector<Read>& reads);
  void read_all(std::span<const Read> reads);

  std::optional<Connection> connection_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Read> queued_;  // guarded by mutex_
  bool closed_ = false;       // likewise

  std::mutex close_mutex_;
  std::thread thread_;
};

}  // namespace drover::store::sqlite
