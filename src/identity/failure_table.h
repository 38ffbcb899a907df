// How often each of many keys has failed lately, in bounded memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/clock.h"

namespace drover::identity {

// One thread at a time. A key is forgotten once it has not failed for `memory`, or when there are more than
// kMostKeys.
//
// Keys are held in classes by their number of failures: 1, 2 to 3, 4 to 7, ... and 64 or more. Of the lowest
// class that holds more than kRoom keys, the one that failed least recently goes. So whoever wants a key with
// n failures forgotten must make kRoom other keys fail about n times each meanwhile; and a new key is never
// pushed out by old ones.
class FailureTable {
 public:
  static constexpr std::size_t kMostKeys = 16'384;
  static constexpr std::size_t kRoom = 2'048;

  struct Entry {
    std::uint64_t key = 0;
    std::uint32_t failures = 0;
    SteadyTime last;
  };

  explicit FailureTable(Millis memory) : memory_(memory) {}

  // Nothing, or an entry that is valid until the next change.
  const Entry* find(std::uint64_t key, SteadyTime now);
  void add(std::uint64_t key, SteadyTime now);
  // One failure less, as far as there are any.
  void take_back(std::uint64_t key);
  void erase(std::uint64_t key);
  std::size_t size() const { return entries_.size(); }

 private:
  using Class = std::list<Entry>;  // the latest first

  Class& class_of(std::uint32_t failures);
  void make_room(SteadyTime now);

  Millis memory_;
  std::array<Class, 7> classes_;
  std::unordered_map<std::uint64_t, Class::iterator> entries_;
};

}  // namespace drover::identity
