// Brings the write-ahead log back into the database, beside the writer instead of in its way.
//
// SQLite's own way is to checkpoint inside whichever commit finds the log too long, which then takes 20 ms
// instead of one. Here a thread does it while commits go on. The log can start over only after a checkpoint
// during which nothing was added, so the last bit is the writer's: when little is left, it does that itself,
// between two commits.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "store/sqlite/database.h"

namespace drover::store::sqlite {

class Checkpointer {
 public:
  // `db` is the thread's own connection.
  static std::unique_ptr<Checkpointer> start(std::unique_ptr<Database> db);
  ~Checkpointer();

  // The writer's thread, after a commit, outside of a transaction: the log has `frames` pages. `writer` is
  // its connection, on which the last bit is done.
  void after_commit(Database& writer, int frames);

  // Ends the thread. Idempotent.
  void close();

 private:
  // In pages of 4 KiB. Measured: much smaller logs write the same pages back too often.
  static constexpr int kPass = 1'000;     // worth a pass of the thread
  static constexpr int kRestart = 4'000;  // the log is to start over, as soon as little of it is left
  static constexpr int kLimit = 16'000;   // the log starts over whatever it costs

  // Little grows with the log, so that it starts over under any load.
  static constexpr int little(int frames) { return frames / 8; }

  explicit Checkpointer(std::unique_ptr<Database> db);
  void run();

  std::unique_ptr<Database> db_;

  std::mutex mutex_;
  std::condition_variable wake_;
  int done_ = 0;         // guarded by mutex_: frames of the log that are in the database
  int tried_ = 0;        // likewise: frames that the log had when that was found
  bool busy_ = false;    // likewise: the thread has a pass to do
  bool closed_ = false;  // likewise

  std::thread thread_;
};

}  // namespace drover::store::sqlite
