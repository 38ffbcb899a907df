#include "store/sqlite/reader.h"

#include <pthread.h>

#include <algorithm>

#include "store/errc.h"

namespace drover::store::sqlite {

Result<std::unique_ptr<Reader>> Reader::start(std::unique_ptr<Database> db) {
  auto tasks = TaskReads::open(*db);
  if (!tasks) return tl::make_unexpected(std::move(tasks.error()));
  auto audit = AuditReads::open(*db);
  if (!audit) return tl::make_unexpected(std::move(audit.error()));
  Database& database = *db;
  Connection connection{std::move(db), {database, std::move(*tasks), std::move(*audit)}, {}, {}};
  auto prepared = connection.db->prepare({{&connection.begin, "BEGIN"}, {&connection.commit, "COMMIT"}});
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  std::unique_ptr<Reader> reader(new Reader(std::move(connection)));
  reader->thread_ = std::thread([self = reader.get()] { self->run(); });
  pthread_setname_np(reader->thread_.native_handle(), "store-read");
  return reader;
}

Reader::Reader(Connection connection) : connection_(std::move(connection)) {}

Reader::~Reader() { close(); }

void Reader::submit(Read read) {
  {
    std::unique_lock lock(mutex_);
    if (closed_) {
      lock.unlock();
      return read(failure(Errc::kClosed));
    }
    queued_.push_back(std::move(read));
  }
  wake_.notify_one();
}

void Reader::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_one();
  const std::lock_guard lock(close_mutex_);
  if (thread_.joinable()) thread_.join();
  connection_.reset();
}

void Reader::run() {
  std::vector<Read> reads;
  while (take(reads)) {
    for (std::span<const Read> rest = reads; !rest.empty();) {
      const std::size_t count = std::min(rest.size(), kMaxReads);
      read_all(rest.first(count));
      rest = rest.subspan(count);
    }
    reads.clear();
  }
}

bool Reader::take(std::vector<Read>& reads) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return !queued_.empty() || closed_; });
  reads.swap(queued_);
  return !reads.empty();
}

void Reader::read_all(std::span<const Read> reads) {
  auto& [db, tables, begin, commit] = *connection_;
  auto begun = begin.run();
  for (const Read& read : reads) {
    if (begun) {
      read(&tables);
    } else {
      read(tl::make_unexpected(begun.error()));
    }
  }
  // Nothing was written: if this fails, the next BEGIN says so.
  if (db->in_transaction()) (void)commit.run();
}

}  // namespace drover::store::sqlite
