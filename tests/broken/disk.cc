#include "broken/disk.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <new>
#include <random>
#include <utility>

#include "broken/unsynced_file.h"

namespace drover::broken {
namespace {

constexpr unsigned kLeaksPercent = 2;  // so often does a write make the disk write something early

int io_error(Op op) {
  switch (op) {
    case Op::kOpen:
      return SQLITE_CANTOPEN;
    case Op::kRead:
      return SQLITE_IOERR_READ;
    case Op::kWrite:
      return SQLITE_IOERR_WRITE;
    case Op::kTruncate:
      return SQLITE_IOERR_TRUNCATE;
    case Op::kSync:
      return SQLITE_IOERR_FSYNC;
    case Op::kMap:
      return SQLITE_IOERR_SHMSIZE;
  }
  return SQLITE_IOERR;
}

std::optional<Op> op_named(const std::string& name) {
  static const std::map<std::string, Op> ops{{"open", Op::kOpen},   {"read", Op::kRead},
                                             {"write", Op::kWrite}, {"truncate", Op::kTruncate},
                                             {"sync", Op::kSync},   {"map", Op::kMap}};
  const auto it = ops.find(name);
  return it == ops.end() ? std::nullopt : std::optional(it->second);
}

using Inode = std::pair<dev_t, ino_t>;

Inode inode_of(const char* path) {
  struct stat status {};
  if (::stat(path, &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

}  // namespace

class Disk::Impl {
 public:
  explicit Impl(DiskOptions options)
      : options_(std::move(options)), random_(options_.seed), real_(sqlite3_vfs_find(nullptr)) {
    vfs_ = *real_;
    vfs_.zName = "drover-broken";
    vfs_.pAppData = this;
    vfs_.szOsFile = kRealAt + real_->szOsFile;
    vfs_.xOpen = open;
    vfs_.xDelete = remove;
    vfs_.xAccess = access;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~Impl() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void order(Fault fault, bool full) {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
    full_ = full;
  }

  void obey(const std::string& word) {
    const std::lock_guard lock(mutex_);
    obey_locked(word);
  }

  void cut_after(std::uint64_t operations) {
    const std::lock_guard lock(mutex_);
    cut_at_ = operations_ + operations + 1;
  }
  void cut() {
    const std::lock_guard lock(mutex_);
    cut_locked();
  }
  void power_on() {
    const std::lock_guard lock(mutex_);
    off_ = false;
  }

  std::uint64_t operations() const {
    const std::lock_guard lock(mutex_);
    return operations_;
  }
  std::uint64_t failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }
  bool is_off() const {
    const std::lock_guard lock(mutex_);
    return off_;
  }

 private:
  // The file is opened and closed through SQLite's own VFS, which also does the locks and the shared memory.
  struct Handle {
    Impl& disk;
    sqlite3_file* real;
    std::shared_ptr<UnsyncedFile> unsynced;  // null: nothing is held back
    unsigned lifetime;
  };

  // What SQLite knows of a file: its methods first. The real one follows in memory.
  struct File {
    sqlite3_file base;
    Handle* handle;
  };
  static constexpr int kRealAt = 64;

  // With the lock held from here on.

  void obey_locked(const std::string& word) {
    full_ = word == "full";
    fault_ = {};
    if (word == "fail") fault_.times = Fault::kForever;
    if (word.starts_with("fail-") && op_named(word.substr(5)))
      fault_ = {.op = op_named(word.substr(5)), .times = Fault::kForever};
  }

  void read_control() {
    if (options_.control.empty()) return;
    std::string word;
    std::ifstream(options_.control) >> word;
    if (word == last_word_) return;
    last_word_ = word;
    obey_locked(word);
  }

  void cut_locked() {
    off_ = true;
    cut_at_ = 0;
    ++lifetime_;
    for (auto& [inode, file] : files_) {
      file->leak(random_);
      file->forget();
    }
  }

  // Before each operation: SQLITE_OK, or how it fails.
  int next(Op op) {
    read_control();
    if (++operations_ == cut_at_) cut_locked();
    if (off_) return io_error(op);
    if (fault_.op && *fault_.op != op) return SQLITE_OK;
    if (fault_.times == 0) return SQLITE_OK;
    if (fault_.after > 0) {
      --fault_.after;
      return SQLITE_OK;
    }
    if (fault_.times != Fault::kForever) --fault_.times;
    ++failures_;
    return fault_.code != 0 ? fault_.code : io_error(op);
  }

  int next(Handle& handle, Op op) {
    const int failed = next(op);
    return failed == SQLITE_OK && handle.lifetime != lifetime_ ? io_error(op) : failed;
  }

  bool is_durable_kind(int flags) const {
    return (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
  }

  std::shared_ptr<UnsyncedFile> unsynced(const char* path) {
    auto& file = files_[inode_of(path)];
    if (!file) file = std::make_shared<UnsyncedFile>(path);
    return file;
  }

  int put(Handle& handle, const void* bytes, int size, sqlite3_int64 at) {
    if (!handle.unsynced) return handle.real->pMethods->xWrite(handle.real, bytes, size, at);
    handle.unsynced->write(static_cast<const char*>(bytes), size, at);
    if (random_() % 100 < kLeaksPercent) handle.unsynced->leak_a_little(random_);
    return SQLITE_OK;
  }

  bool is_beyond_end(Handle& handle, sqlite3_int64 end) {
    sqlite3_int64 now = 0;
    if (handle.unsynced) {
      now = handle.unsynced->size();
    } else {
      handle.real->pMethods->xFileSize(handle.real, &now);
    }
    return end > now;
  }

  // SQLite's methods. They take the lock.

  static Handle& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file)->handle; }
  static sqlite3_file* real_of(sqlite3_file* file) { return of(file).real; }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    auto& self = *static_cast<Impl*>(vfs->pAppData);
    file->pMethods = nullptr;
    const std::lock_guard lock(self.mutex_);
    if (const int failed = self.next(Op::kOpen); failed != SQLITE_OK) return failed;
    auto* const real = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + kRealAt);
    real->pMethods = nullptr;
    const int opened = self.real_->xOpen(self.real_, path, real, flags, out_flags);
    if (opened != SQLITE_OK) {
      if (real->pMethods != nullptr) real->pMethods->xClose(real);
      return opened;
    }
    auto* const handle = new Handle{self, real, nullptr, self.lifetime_};
    if (self.options_.loses_unsynced && path != nullptr && self.is_durable_kind(flags))
      handle->unsynced = self.unsynced(path);
    reinterpret_cast<File*>(file)->handle = handle;
    file->pMethods = &kMethods;
    return SQLITE_OK;
  }

  static int remove(sqlite3_vfs* vfs, const char* path, int sync_folder) {
    auto& self = *static_cast<Impl*>(vfs->pAppData);
    const std::lock_guard lock(self.mutex_);
    if (self.off_) return SQLITE_IOERR_DELETE;
    const Inode inode = inode_of(path);
    const int removed = self.real_->xDelete(self.real_, path, sync_folder);
    if (removed == SQLITE_OK) self.files_.erase(inode);
    return removed;
  }

  static int access(sqlite3_vfs* vfs, const char* path, int flags, int* result) {
    auto& self = *static_cast<Impl*>(vfs->pAppData);
    const std::lock_guard lock(self.mutex_);
    if (self.off_) return SQLITE_IOERR_ACCESS;
    return self.real_->xAccess(self.real_, path, flags, result);
  }

  static int close(sqlite3_file* file) {
    Handle* const handle = &of(file);
    const std::lock_guard lock(handle->disk.mutex_);
    const int closed = handle->real->pMethods->xClose(handle->real);
    delete handle;
    return closed;
  }

  static int read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
    Handle& handle = of(file);
    const std::lock_guard lock(handle.disk.mutex_);
    if (const int failed = handle.disk.next(handle, Op::kRead); failed != SQLITE_OK) return failed;
    if (!handle.unsynced) return handle.real->pMethods->xRead(handle.real, to, size, at);
    return handle.unsynced->read(static_cast<char*>(to), size, at) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }

  static int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
    Handle& handle = of(file);
    Impl& self = handle.disk;
    const std::lock_guard lock(self.mutex_);
    if (const int failed = self.next(handle, Op::kWrite); failed != SQLITE_OK) {
      if (self.fault_.torn && !self.off_ && handle.lifetime == self.lifetime_)
        (void)self.put(handle, from, size / 2, at);
      return failed;
    }
    if (self.full_ && self.is_beyond_end(handle, at + size)) {
      ++self.failures_;
      return SQLITE_FULL;
    }
    return self.put(handle, from, size, at);
  }

  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    Handle& handle = of(file);
    Impl& self = handle.disk;
    const std::lock_guard lock(self.mutex_);
    if (const int failed = self.next(handle, Op::kTruncate); failed != SQLITE_OK) return failed;
    if (!handle.unsynced) return handle.real->pMethods->xTruncate(handle.real, size);
    handle.unsynced->truncate(size);
    return SQLITE_OK;
  }

  static int sync(sqlite3_file* file, int flags) {
    Handle& handle = of(file);
    Impl& self = handle.disk;
    const std::lock_guard lock(self.mutex_);
    if (const int failed = self.next(handle, Op::kSync); failed != SQLITE_OK) {
      if (handle.unsynced && !self.off_ && handle.lifetime == self.lifetime_)
        handle.unsynced->fail_sync(self.random_);
      return failed;
    }
    // The real file is what is durable, so that it need not be synced.
    if (!handle.unsynced) return handle.real->pMethods->xSync(handle.real, flags);
    handle.unsynced->sync();
    return SQLITE_OK;
  }

  static int file_size(sqlite3_file* file, sqlite3_int64* size) {
    Handle& handle = of(file);
    const std::lock_guard lock(handle.disk.mutex_);
    if (!handle.unsynced) return handle.real->pMethods->xFileSize(handle.real, size);
    *size = handle.unsynced->size();
    return SQLITE_OK;
  }

  static int map(sqlite3_file* file, int page, int size, int extend, void volatile** to) {
    Handle& handle = of(file);
    {
      const std::lock_guard lock(handle.disk.mutex_);
      if (const int failed = handle.disk.next(handle, Op::kMap); failed != SQLITE_OK) return failed;
    }
    return handle.real->pMethods->xShmMap(handle.real, page, size, extend, to);
  }

  // Nothing of these is the disk's.
  static int lock(sqlite3_file* file, int level) {
    return real_of(file)->pMethods->xLock(real_of(file), level);
  }
  static int unlock(sqlite3_file* file, int level) {
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
  }
  static int check_lock(sqlite3_file* file, int* result) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), result);
  }
  static int control(sqlite3_file* file, int op, void* argument) {
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
  }
  static int sector_size(sqlite3_file* file) { return real_of(file)->pMethods->xSectorSize(real_of(file)); }
  static int characteristics(sqlite3_file* file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
  }
  static int map_lock(sqlite3_file* file, int offset, int count, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
  }
  static void map_barrier(sqlite3_file* file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }
  static int unmap(sqlite3_file* file, int remove) {
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
  }

  static_assert(sizeof(File) <= kRealAt);
  // Version 2: SQLite maps no file, so that it sees every read and write.
  static constexpr sqlite3_io_methods kMethods{
      2,      close,      read,    write,       truncate,        sync, file_size, lock,
      unlock, check_lock, control, sector_size, characteristics, map,  map_lock,  map_barrier,
      unmap,  nullptr,    nullptr};

  const DiskOptions options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::mt19937_64 random_;
  Fault fault_;
  bool full_ = false;
  bool off_ = false;
  unsigned lifetime_ = 0;  // counts power cuts
  std::uint64_t operations_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t cut_at_ = 0;  // 0: never
  std::string last_word_;
  // By inode: a file that is made under another name stays what it is. Each is held open, so that no other
  // gets its number.
  std::map<Inode, std::shared_ptr<UnsyncedFile>> files_;

  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_{};
};

Disk::Disk(DiskOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Disk::~Disk() = default;
void Disk::fail(Fault fault) { impl_->order(fault, false); }
void Disk::fill() { impl_->order({}, true); }
void Disk::heal() { impl_->order({}, false); }
void Disk::obey(const std::string& word) { impl_->obey(word); }
void Disk::cut_after(std::uint64_t operations) { impl_->cut_after(operations); }
void Disk::cut() { impl_->cut(); }
void Disk::power_on() { impl_->power_on(); }
std::uint64_t Disk::operations() const { return impl_->operations(); }
std::uint64_t Disk::failures() const { return impl_->failures(); }
bool Disk::is_off() const { return impl_->is_off(); }

std::unique_ptr<Disk> disk_from_environment() {
  const char* const mode = std::getenv("DROVER_DISK");
  const char* const control = std::getenv("DROVER_DISK_CONTROL");
  if (mode == nullptr && control == nullptr) return nullptr;
  DiskOptions options;
  if (control != nullptr) options.control = control;
  const std::string word = mode == nullptr ? "" : mode;
  options.loses_unsynced = word.starts_with("power-cut");
  if (const auto colon = word.find(':'); colon != std::string::npos)
    options.seed = std::strtoull(word.c_str() + colon + 1, nullptr, 10);
  return std::make_unique<Disk>(std::move(options));
}

}  // namespace drover::broken
