#include "broken/unsynced_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace drover::broken {
namespace {

// The disk below the broken one has to work.
void require(bool works) {
  if (works) return;
  std::perror("the disk below the test's own");
  std::abort();
}

std::int64_t real_size(int fd) {
  struct stat status {};
  require(::fstat(fd, &status) == 0);
  return status.st_size;
}

bool chance(std::mt19937_64& random, unsigned percent) { return random() % 100 < percent; }

}  // namespace

UnsyncedFile::UnsyncedFile(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
  require(fd_ >= 0);
  forget();
}

UnsyncedFile::~UnsyncedFile() { ::close(fd_); }

void UnsyncedFile::forget() {
  sectors_.clear();
  size_ = shown_ = real_size(fd_);
}

void UnsyncedFile::read_real(char* to, std::int64_t size, std::int64_t at) const {
  const std::int64_t there = std::clamp<std::int64_t>(shown_ - at, 0, size);
  ssize_t got = 0;
  if (there > 0) got = ::pread(fd_, to, static_cast<std::size_t>(there), at);
  require(got >= 0);
  std::memset(to + got, 0, static_cast<std::size_t>(size - got));
}

UnsyncedFile::Sector& UnsyncedFile::sector(std::int64_t number) {
  const auto [it, added] = sectors_.try_emplace(number);
  if (added) read_real(it->second.bytes.data(), kSector, number * kSector);
  it->second.dirty = true;
  return it->second;
}

bool UnsyncedFile::read(char* to, std::int64_t size, std::int64_t at) const {
  const std::int64_t there = std::clamp<std::int64_t>(size_ - at, 0, size);
  std::memset(to + there, 0, static_cast<std::size_t>(size - there));
  read_real(to, there, at);
  for (auto it = sectors_.lower_bound(at / kSector); it != sectors_.end(); ++it) {
    const std::int64_t sector_at = it->first * kSector;
    const std::int64_t from = std::max(sector_at, at);
    const std::int64_t until = std::min(sector_at + kSector, at + there);
    if (from >= until) break;
    std::memcpy(to + (from - at), it->second.bytes.data() + (from - sector_at),
                static_cast<std::size_t>(until - from));
  }
  return there == size;
}

void UnsyncedFile::write(const char* from, std::int64_t size, std::int64_t at) {
  for (std::int64_t done = 0; done < size;) {
    const std::int64_t into = (at + done) % kSector;
    const std::int64_t part = std::min(kSector - into, size - done);
    std::memcpy(sector((at + done) / kSector).bytes.data() + into, from + done,
                static_cast<std::size_t>(part));
    done += part;
  }
  size_ = std::max(size_, at + size);
}

void UnsyncedFile::truncate(std::int64_t size) {
  sectors_.erase(sectors_.lower_bound((size + kSector - 1) / kSector), sectors_.end());
  if (size % kSector != 0 && size < size_) {
    auto& bytes = sector(size / kSector).bytes;
    std::fill(bytes.begin() + size % kSector, bytes.end(), '\0');
  }
  size_ = size;
  shown_ = std::min(shown_, size);
}

// Sectors from `number` on, as far as they are not behind the end.
void UnsyncedFile::write_through(std::int64_t number, const std::string& bytes) const {
  const std::int64_t at = number * kSector;
  const auto size = static_cast<std::size_t>(
      std::clamp<std::int64_t>(size_ - at, 0, static_cast<std::int64_t>(bytes.size())));
  require(::pwrite(fd_, bytes.data(), size, at) == static_cast<ssize_t>(size));
}

// Cuts off what is not to be seen any more, then gives the file its length.
void UnsyncedFile::resize() const {
  if (real_size(fd_) > shown_) require(::ftruncate(fd_, shown_) == 0);
  if (size_ > shown_) require(::ftruncate(fd_, size_) == 0);
}

void UnsyncedFile::sync() {
  resize();
  shown_ = size_;
  std::string run;  // sectors that lie together are written together
  std::int64_t next = 0;
  const auto write_run = [&] {
    if (!run.empty()) write_through(next - static_cast<std::int64_t>(run.size()) / kSector, run);
    run.clear();
  };
  for (auto it = sectors_.begin(); it != sectors_.end();) {
    // What an earlier sync failed to write stays lost, and stays seen.
    if (!it->second.dirty) {
      ++it;
      continue;
    }
    if (it->first != next) write_run();
    run.append(it->second.bytes.data(), kSector);
    next = it->first + 1;
    it = sectors_.erase(it);
  }
  write_run();
}

void UnsyncedFile::fail_sync(std::mt19937_64& random) {
  leak(random);
  for (auto& [number, sector] : sectors_) sector.dirty = false;
}

void UnsyncedFile::leak(std::mt19937_64& random) { leak(random, sectors_.begin(), sectors_.size()); }

void UnsyncedFile::leak_a_little(std::mt19937_64& random) {
  if (sectors_.empty()) return;
  const auto first = static_cast<std::uint64_t>(sectors_.begin()->first);
  const auto last = static_cast<std::uint64_t>(sectors_.rbegin()->first);
  const std::uint64_t from = first + random() % (last - first + 1);
  leak(random, sectors_.lower_bound(static_cast<std::int64_t>(from)), kLittle);
}

void UnsyncedFile::leak(std::mt19937_64& random, Sectors::const_iterator from, std::size_t most) {
  if (chance(random, 25)) {
    resize();
    shown_ = size_;
  }
  // Sometimes everything, sometimes hardly anything.
  const auto percent = chance(random, 25) ? 100 : static_cast<unsigned>(random() % 101);
  for (; most > 0 && from != sectors_.end(); --most, ++from) {
    const auto& [number, sector] = *from;
    if (sector.dirty && chance(random, percent)) write_through(number, {sector.bytes.data(), kSector});
  }
}

}  // namespace drover::broken
