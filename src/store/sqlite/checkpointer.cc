#include "store/sqlite/checkpointer.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

namespace drover::store::sqlite {

std::unique_ptr<Checkpointer> Checkpointer::start(std::unique_ptr<Database> db) {
  std::unique_ptr<Checkpointer> self(new Checkpointer(std::move(db)));
  self->thread_ = std::thread([raw = self.get()] { raw->run(); });
  pthread_setname_np(self->thread_.native_handle(), "store-log");
  return self;
}

Checkpointer::Checkpointer(std::unique_ptr<Database> db) : db_(std::move(db)) {}

Checkpointer::~Checkpointer() { close(); }

void Checkpointer::after_commit(Database& writer, int frames) {
  if (frames < kPass) return;
  std::unique_lock lock(mutex_);
  if (busy_) return;
  if (done_ > frames) done_ = tried_ = 0;  // the log has started over
  // A reader of an old state, such as a backup, keeps the rest where it is. To try that at each commit would
  // cost each as much as the log is long.
  if (done_ < tried_ && frames - tried_ < little(frames)) return;
  const int left = frames - done_;
  if (frames >= kLimit || (frames >= kRestart && left <= little(frames))) {
    tried_ = frames;
    if (auto all = writer.checkpoint()) done_ = *all;  // the thread, which is idle, does not miss the lock
  } else if (left >= (frames < kRestart ? kPass : little(frames))) {
    tried_ = frames;
    busy_ = true;
    lock.unlock();
    wake_.notify_one();
  }
}

void Checkpointer::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  db_.reset();
}

void Checkpointer::run() {
  bool failing = false;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return busy_ || closed_; });
    if (closed_) return;
    lock.unlock();
    const auto done = db_->checkpoint();
    // A failure costs nothing but a longer log: the next pass tries again. On a full disk, all of them fail.
    if (!done && !failing)
      spdlog::warn("store: the log was not brought back into the database: {}", done.error().message);
    failing = !done;
    lock.lock();
    if (done) done_ = *done;
    busy_ = false;
  }
}

}  // namespace drover::store::sqlite
