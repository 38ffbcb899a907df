// A file as a power cut sees it: what was written since the last sync is in memory only.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>

namespace drover::broken {

// Not thread-safe. The real file holds what is durable: what has been synced, and what a disk may have
// written early, in sectors and in any order.
class UnsyncedFile {
 public:
  // The file must be there. Held open until the end: closing any descriptor of a file would drop the locks
  // that this process has on it.
  explicit UnsyncedFile(const std::string& path);
  ~UnsyncedFile();
  UnsyncedFile(const UnsyncedFile&) = delete;
  UnsyncedFile& operator=(const UnsyncedFile&) = delete;

  // As a program sees it. All that lies beyond the end reads as zero; false: not all was there.
  bool read(char* to, std::int64_t size, std::int64_t at) const;
  void write(const char* from, std::int64_t size, std::int64_t at);
  void truncate(std::int64_t size);
  std::int64_t size() const { return size_; }

  void sync();
  // A sync that failed: some of it has reached the disk. The rest is still seen but never will be there
  // unless it is written again, which is what Linux makes of it.
  void fail_sync(std::mt19937_64& random);
  // The disk writes some of it early: of all, or of what lies together somewhere.
  void leak(std::mt19937_64& random);
  void leak_a_little(std::mt19937_64& random);
  // The power is gone: back to what is durable.
  void forget();

 private:
  static constexpr std::int64_t kSector = 512;
  struct Sector {
    std::array<char, kSector> bytes{};
    bool dirty = true;  // to be written by the next sync
  };

  using Sectors = std::map<std::int64_t, Sector>;
  static constexpr std::size_t kLittle = 64;  // sectors

  Sector& sector(std::int64_t number);
  void leak(std::mt19937_64& random, Sectors::const_iterator from, std::size_t most);
  void read_real(char* to, std::int64_t size, std::int64_t at) const;
  void write_through(std::int64_t number, const std::string& bytes) const;
  void resize() const;

  int fd_;
  std::int64_t size_ = 0;
  std::int64_t shown_ = 0;  // of the real file's bytes so many are seen: what lies behind has been cut off
  Sectors sectors_;
};

}  // namespace drover::broken
