// A disk that lets Drover down: a SQLite VFS over the system's own, which becomes the default one. For tests.
//
// What is modelled: writes and truncations of the database, its log and its journal are durable after a sync
// and not before; of what was not synced any part may be on the disk all the same, in sectors of 512 bytes
// and in any order; a failed sync loses what it did not write, for good; any operation may fail, and a disk
// may be full. What is not: a file that is made or deleted is so at once, as on a file system with a journal
// (SQLite syncs the folder itself after it has made a log or a journal); and a disk never lies about a sync
// that it said was done. The index of the log is shared memory and not a file of the disk's: once all who
// had it open are gone, the next one to open the log makes it anew.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace drover::broken {

enum class Op : std::uint8_t { kOpen, kRead, kWrite, kTruncate, kSync, kMap };

// So many operations work, then so many fail.
struct Fault {
  static constexpr std::uint64_t kForever = ~std::uint64_t{0};

  std::optional<Op> op = std::nullopt;  // nothing: any
  std::uint64_t after = 0;
  std::uint64_t times = 0;
  int code = 0;       // SQLite's; 0: an I/O error of the operation
  bool torn = false;  // a write that fails has written half
};

struct DiskOptions {
  bool loses_unsynced = false;  // else it is only what fail() and fill() make of it
  std::uint64_t seed = 1;
  std::string control = {};  // see Disk::obey(); looked for before each operation if not empty
};

// Any thread. Outlives everything that has a file open on it.
class Disk {
 public:
  explicit Disk(DiskOptions options);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // Each replaces what was ordered before.
  void fail(Fault fault);
  void fill();  // no file grows any more
  void heal();
  // The same in words: "full", "fail" (everything), "fail-sync" (or -open, -read, -write, -truncate, -map),
  // anything else: healthy. The control file holds such a word; no file: healthy.
  void obey(const std::string& word);

  // Needs loses_unsynced. The power goes after so many more operations: what is not durable is lost, and
  // everything fails until power_on(); whatever was open then has to be opened anew.
  void cut_after(std::uint64_t operations);
  void cut();
  void power_on();

  std::uint64_t operations() const;  // so far
  std::uint64_t failures() const;    // of them, by order
  bool is_off() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What the environment orders, for a whole program: DROVER_DISK=power-cut[:SEED] and
// DROVER_DISK_CONTROL=FILE. Null: nothing.
std::unique_ptr<Disk> disk_from_environment();

}  // namespace drover::broken
