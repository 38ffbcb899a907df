#include "identity/login_throttle.h"

#include <arpa/inet.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/id.h"

namespace drover::identity {
namespace {

constexpr Millis kMemory = std::chrono::hours(1);
constexpr Millis kFamiliarity = std::chrono::hours(30 * 24);

struct Limit {
  std::uint32_t free_tries;
  Millis longest;
};
constexpr Limit kOfPair{5, std::chrono::minutes(15)};
constexpr Limit kOfAddress{30, std::chrono::minutes(15)};
constexpr Limit kOfUser{50, std::chrono::seconds(30)};

// When the next try may begin.
SteadyTime ready(const FailureTable::Entry* entry, const Limit& limit) {
  if (entry == nullptr || entry->failures < limit.free_tries) return SteadyTime::min();
  const std::uint32_t doublings = std::min(entry->failures - limit.free_tries, 10U);
  return entry->last + std::min(Millis(1'000 << doublings), limit.longest);
}

// What counts of an address, with its kind in front.
std::string origin(std::string_view address) {
  const std::string text(address.substr(0, address.find('%')));  // fe80::1%eth0
  std::array<char, 16> bytes{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return "4" + std::string(bytes.data(), 4);
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return "t" + std::string(address);
  constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  const std::string_view all(bytes.data(), bytes.size());
  if (all.starts_with(kMapped)) return "4" + std::string(all.substr(kMapped.size()));
  return "6" + std::string(all.substr(0, 8));
}

}  // namespace

LoginThrottle::LoginThrottle(const Clock& clock)
    : clock_(clock), failures_(kMemory), familiar_(kFamiliarity) {
  fill_random(secret_.data(), secret_.size());
}

LoginThrottle::Keys LoginThrottle::keys_of(std::string_view user, std::string_view address) const {
  const auto hash = [this](char kind, std::string_view text) {
    const std::string input = kind + std::string(text);
    std::uint64_t out = 0;
    crypto_shorthash(reinterpret_cast<unsigned char*>(&out),
                     reinterpret_cast<const unsigned char*>(input.data()), input.size(), secret_.data());
    return out;
  };
  const std::string from = origin(address);
  return {hash('p', std::to_string(from.size()) + ' ' + from + std::string(user)), hash('a', from),
          hash('u', user)};
}

std::optional<Millis> LoginThrottle::wait_before(std::string_view user, std::string_view address) {
  const Keys keys = keys_of(user, address);
  const SteadyTime now = clock_.steady();
  const std::lock_guard lock(mutex_);
  SteadyTime from = ready(failures_.find(keys.pair, now), kOfPair);
  if (familiar_.find(keys.pair, now) == nullptr) {
    from = std::max({from, ready(failures_.find(keys.address, now), kOfAddress),
                     ready(failures_.find(keys.user, now), kOfUser)});
  }
  if (from > now) return std::chrono::ceil<Millis>(from - now);
  for (const std::uint64_t key : {keys.pair, keys.address, keys.user}) failures_.add(key, now);
  return std::nullopt;
}

void LoginThrottle::succeeded(std::string_view user, std::string_view address) {
  const Keys keys = keys_of(user, address);
  const std::lock_guard lock(mutex_);
  failures_.erase(keys.pair);
  failures_.take_back(keys.address);
  failures_.take_back(keys.user);
  familiar_.erase(keys.pair);
  familiar_.add(keys.pair, clock_.steady());
}

void LoginThrottle::not_tried(std::string_view user, std::string_view address) {
  const Keys keys = keys_of(user, address);
  const std::lock_guard lock(mutex_);
  for (const std::uint64_t key : {keys.pair, keys.address, keys.user}) failures_.take_back(key);
}

std::size_t LoginThrottle::keys() const {
  const std::lock_guard lock(mutex_);
  return failures_.size();
}

}  // namespace drover::identity
