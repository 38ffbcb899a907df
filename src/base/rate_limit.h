// How often each of many keys may do something.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

#include "base/clock.h"

namespace drover {

// Any thread. A bucket of tokens for each key, which needs no timer: all that is kept is when the bucket will
// be full again (GCRA, the generic cell rate algorithm). Threads wait for each other only while a key is
// added.
//
// Keys are numbers that we give out, of projects or users. Of more than kMostKeys that are all short of
// tokens, all begin with a full bucket again.
class RateLimit {
 public:
  static constexpr std::size_t kMostKeys = 65'536;

  // Tokens that come each second, and how many a bucket holds, at least 1. A rate of 0 sets no limit.
  RateLimit(std::uint32_t per_second, std::uint32_t burst);

  // Takes a token; nothing: it was there. Else how long until there is one, at least 1 ms.
  std::optional<Millis> take(std::int64_t key, SteadyTime now);
  // What take() would answer, without taking.
  std::optional<Millis> wait(std::int64_t key, SteadyTime now) const;

  std::size_t keys() const;

 private:
  using Nanos = std::chrono::nanoseconds;
  using FullAt = std::atomic<std::int64_t>;  // on the steady clock, ns

  std::optional<Millis> take(FullAt& full_at, std::int64_t now) const;
  std::optional<Millis> wait(std::int64_t full_at, std::int64_t now) const;
  void make_room(std::int64_t now);

  std::int64_t interval_;            // ns between two tokens
  std::int64_t tolerance_;           // how far ahead of now a bucket may be full and yet hold a token
  mutable std::shared_mutex mutex_;  // exclusive for keys that come and go
  std::unordered_map<std::int64_t, FullAt> keys_;
};

}  // namespace drover
