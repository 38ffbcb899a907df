// Slows the guessing of passwords, without letting anybody lock a user out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "identity/failure_table.h"

namespace drover::identity {

// Any thread. Counts failures, in memory alone, of
//
//   a user from an address   after 5 the next try waits 1 s, then 2, 4, ... up to 15 min
//   an address               after 30 the same: one that tries many users
//   a user                   after 50, but up to 30 s only: one who is tried from many addresses
//
// A key is forgotten after an hour without a failure. Where a user logged in within 30 days, only the first
// of these holds the user up: otherwise whoever never stops trying would take each of the rare tries, and
// behind a proxy, where all come from one address, lock everybody out.
//
// What is left to an attacker with n addresses is 5 quick tries at a user from each, but one in 30 s once
// there were 50; FailureTable says what it takes to have failures forgotten, and each of those tries costs a
// place in the queue of PasswordWorker. Keys are kept as keyed hashes, so that neither long nor chosen names
// do harm.
class LoginThrottle {
 public:
  explicit LoginThrottle(const Clock& clock);

  // May this user be tried from this address? Nothing: go on. The try then counts as failed until one of the
  // calls below says otherwise, so that of many at once no more go on than of many in turn. Else how long to
  // wait, at least 1 ms; being told so does not count.
  //
  // IPv6 addresses count by their first 64 bits, which is what one customer has; other texts, such as
  // "local", as they are. Users need not exist.
  std::optional<Millis> wait_before(std::string_view user, std::string_view address);

  // The password was right: the user's failures from that address are forgotten.
  void succeeded(std::string_view user, std::string_view address);
  // The password was not looked at.
  void not_tried(std::string_view user, std::string_view address);

  // How many are held, of FailureTable::kMostKeys.
  std::size_t keys() const;

 private:
  struct Keys {
    std::uint64_t pair, address, user;
  };
  Keys keys_of(std::string_view user, std::string_view address) const;

  const Clock& clock_;
  std::array<unsigned char, 16> secret_{};
  mutable std::mutex mutex_;
  FailureTable failures_;
  FailureTable familiar_;  // users from addresses, where they logged in
};

}  // namespace drover::identity
